#include "server/net/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "server/options.h"

namespace larder::server::net {
namespace {

// The most that one record carries.
constexpr std::size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
// Sessions may be taken up again only by servers of the same kind.
constexpr std::string_view kSessionKind = "larder";

// The oldest of OpenSSL's complaints, which is the cause; none of them are left afterwards.
std::string last_problem() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown reason" : reason;
}

void must(bool is_fine, std::string_view option, std::string_view value) {
  if (is_fine) return;
  throw std::runtime_error(fmt::format("Can't use {} '{}': {}", option, value, last_problem()));
}

struct Protocol {
  std::string_view name;
  std::uint64_t without;
};
constexpr Protocol kProtocols[] = {
    {"TLSv1", SSL_OP_NO_TLSv1},
    {"TLSv1.1", SSL_OP_NO_TLSv1_1},
    {"TLSv1.2", SSL_OP_NO_TLSv1_2},
    {"TLSv1.3", SSL_OP_NO_TLSv1_3},
};

bool same_folded(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// What is to be switched off; nothing named: what OpenSSL takes for old.
std::uint64_t protocols_without(std::string_view names) {
  std::uint64_t without = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1;
  if (names.find_first_not_of(' ') == std::string_view::npos) return without;
  for (const Protocol& protocol : kProtocols) without |= protocol.without;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(' '));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    if (name.empty()) continue;
    const auto* const known =
        std::find_if(std::begin(kProtocols), std::end(kProtocols),
                     [&](const Protocol& protocol) { return same_folded(protocol.name, name); });
    if (known == std::end(kProtocols)) {
      throw std::runtime_error(fmt::format("tls-protocols: there is no protocol '{}'", name));
    }
    without &= ~known->without;
  }
  return without;
}

int give_password(char* room, int size, int, void* password) {
  const auto& text = *static_cast<const std::string*>(password);
  const std::size_t count = std::min(text.size(), static_cast<std::size_t>(size));
  std::memcpy(room, text.data(), count);
  return static_cast<int>(count);
}

void choose_protocols(SSL_CTX* context, const Settings& settings) {
  SSL_CTX_set_min_proto_version(context, 0);
  SSL_CTX_set_options(context, protocols_without(settings.tls_protocols) | SSL_OP_NO_RENEGOTIATION |
                                   SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  if (settings.tls_prefer_server_ciphers) {
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  }
  if (!settings.tls_ciphers.empty()) {
    must(SSL_CTX_set_cipher_list(context, settings.tls_ciphers.c_str()) == 1, "tls-ciphers",
         settings.tls_ciphers);
  }
  if (!settings.tls_ciphersuites.empty()) {
    must(SSL_CTX_set_ciphersuites(context, settings.tls_ciphersuites.c_str()) == 1,
         "tls-ciphersuites", settings.tls_ciphersuites);
  }
  SSL_CTX_set_dh_auto(context, 1);
}

void read_own_certificate(SSL_CTX* context, const Settings& settings) {
  const auto needed = [](std::string_view option, const std::string& path) {
    if (path.empty()) throw std::runtime_error(fmt::format("tls-port needs {}", option));
    return path.c_str();
  };
  const char* certificate = needed("tls-cert-file", settings.tls_cert_file);
  const char* key = needed("tls-key-file", settings.tls_key_file);
  std::string password = settings.tls_key_file_pass;
  SSL_CTX_set_default_passwd_cb(context, give_password);
  SSL_CTX_set_default_passwd_cb_userdata(context, &password);
  must(SSL_CTX_use_certificate_chain_file(context, certificate) == 1, "tls-cert-file", certificate);
  must(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1, "tls-key-file", key);
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  must(SSL_CTX_check_private_key(context) == 1, "tls-key-file", key);
}

void judge_clients(SSL_CTX* context, const Settings& settings) {
  const char* file = settings.tls_ca_cert_file.empty() ? nullptr
                                                       : settings.tls_ca_cert_file.c_str();
  const char* folder = settings.tls_ca_cert_dir.empty() ? nullptr
                                                        : settings.tls_ca_cert_dir.c_str();
  if (settings.tls_auth_clients == "no") return;
  if (file == nullptr && folder == nullptr) {
    throw std::runtime_error(fmt::format(
        "tls-auth-clients {} needs tls-ca-cert-file or tls-ca-cert-dir to know clients by, "
        "or say tls-auth-clients no",
        settings.tls_auth_clients));
  }
  must(SSL_CTX_load_verify_locations(context, file, folder) == 1,
       file != nullptr ? "tls-ca-cert-file" : "tls-ca-cert-dir", file != nullptr ? file : folder);
  // Names of authorities that clients may choose a certificate by.
  if (file != nullptr) SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(file));
  const bool is_must = settings.tls_auth_clients == "yes";
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (is_must ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
}

void keep_sessions(SSL_CTX* context, const Settings& settings) {
  SSL_CTX_set_session_id_context(context,
                                 reinterpret_cast<const unsigned char*>(kSessionKind.data()),
                                 static_cast<unsigned>(kSessionKind.size()));
  if (!settings.tls_session_caching) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
    return;
  }
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
  SSL_CTX_sess_set_cache_size(context, static_cast<long>(settings.tls_session_cache_size));
  SSL_CTX_set_timeout(context, static_cast<long>(settings.tls_session_cache_timeout_s));
  // Each is work of a handshake; a client that comes back once needs one.
  SSL_CTX_set_num_tickets(context, 1);
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const {
  SSL_CTX_free(context);
}

TlsContext::TlsContext(const Settings& settings) : context_(SSL_CTX_new(TLS_server_method())) {
  ERR_clear_error();
  if (!context_) throw std::runtime_error("Can't set up TLS: " + last_problem());
  SSL_CTX* const context = context_.get();
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  choose_protocols(context, settings);
  read_own_certificate(context, settings);
  judge_clients(context, settings);
  keep_sessions(context, settings);
  ERR_clear_error();
}

std::unique_ptr<Tls> TlsContext::meet(int socket) const {
  SSL* ssl = SSL_new(context_.get());
  if (ssl == nullptr || SSL_set_fd(ssl, socket) != 1) {
    SSL_free(ssl);
    ERR_clear_error();
    return nullptr;
  }
  SSL_set_accept_state(ssl);
  return std::make_unique<Tls>(ssl);
}

void Tls::Free::operator()(ssl_st* connection) const {
  SSL_free(connection);
}

Tls::Handshake Tls::shake_hands() {
  const int answer = SSL_do_handshake(ssl_.get());
  if (answer == 1) {
    is_up_ = true;
    has_more_ = SSL_has_pending(ssl_.get()) == 1;  // its first request came along
    return Handshake::done;
  }
  switch (SSL_get_error(ssl_.get(), answer)) {
    case SSL_ERROR_WANT_READ: return Handshake::wants_read;
    case SSL_ERROR_WANT_WRITE: return Handshake::wants_write;
    default: break;
  }
  problem_ = ERR_peek_error() == 0 ? "the connection ended" : last_problem();
  return Handshake::failed;
}

// What SSL_read_ex or SSL_write_ex failed of, as recv() and sendmsg() say it.
ssize_t Tls::explain(int answer) {
  const int reason = SSL_get_error(ssl_.get(), answer);
  ERR_clear_error();
  if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) {
    errno = EAGAIN;
    return -1;
  }
  if (reason == SSL_ERROR_ZERO_RETURN) return 0;
  is_up_ = false;
  errno = EPROTO;
  return -1;
}

ssize_t Tls::read(std::span<char> room) {
  std::size_t total = 0;
  while (total < room.size()) {
    std::size_t got = 0;
    const int answer = SSL_read_ex(ssl_.get(), room.data() + total, room.size() - total, &got);
    if (answer != 1) {
      const ssize_t why = explain(answer);
      // An end, or a fault, is for the next time: nothing would tell of it again.
      has_more_ = total != 0 && (why == 0 || errno != EAGAIN);
      return total != 0 ? static_cast<ssize_t>(total) : why;
    }
    total += got;
    has_more_ = SSL_has_pending(ssl_.get()) == 1;
    if (!has_more_) break;
  }
  return static_cast<ssize_t>(total);
}

// Short pieces become one record together, long ones are encrypted from where they lie.
ssize_t Tls::write(std::span<const iovec> pieces) {
  std::array<char, kRecordBytes> record;
  std::size_t total = 0;
  std::size_t passed = 0;  // bytes of the first piece that are written
  while (!pieces.empty()) {
    const char* data = static_cast<const char*>(pieces[0].iov_base) + passed;
    std::size_t size = pieces[0].iov_len - passed;
    if (size < kRecordBytes && pieces.size() > 1) {
      std::memcpy(record.data(), data, size);
      for (std::size_t i = 1; i < pieces.size() && size < kRecordBytes; ++i) {
        const std::size_t more = std::min(pieces[i].iov_len, kRecordBytes - size);
        std::memcpy(record.data() + size, pieces[i].iov_base, more);
        size += more;
      }
      data = record.data();
    }
    std::size_t written = 0;
    const int answer = SSL_write_ex(ssl_.get(), data, size, &written);
    if (answer != 1) {
      ssize_t why = explain(answer);
      if (why == 0) {
        errno = EPIPE;
        why = -1;
      }
      return total != 0 ? static_cast<ssize_t>(total) : why;
    }
    total += written;
    for (passed += written; !pieces.empty() && passed >= pieces[0].iov_len;) {
      passed -= pieces[0].iov_len;
      pieces = pieces.subspan(1);
    }
  }
  return static_cast<ssize_t>(total);
}

void Tls::say_goodbye() {
  if (!is_up_) return;
  is_up_ = false;
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

}  // namespace larder::server::net
