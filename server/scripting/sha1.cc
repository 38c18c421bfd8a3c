#include "server/scripting/sha1.h"

#include <openssl/evp.h>

#include "storage/ensure.h"

namespace larder::server::scripting {

Sha sha1(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const int ok = EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha1(), nullptr);
  ensure(ok == 1 && size == 20, "OpenSSL cannot compute SHA1");
  constexpr char kDigits[] = "0123456789abcdef";
  Sha sha;
  for (std::size_t i = 0; i < 20; ++i) {
    sha[2 * i] = kDigits[digest[i] >> 4];
    sha[2 * i + 1] = kDigits[digest[i] & 15];
  }
  return sha;
}

bool parse_sha(std::string_view word, Sha& out) {
  if (word.size() != out.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const char c = word[i];
    const bool is_upper = c >= 'A' && c <= 'F';
    if (!is_upper && !(c >= 'a' && c <= 'f') && !(c >= '0' && c <= '9')) return false;
    out[i] = is_upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return true;
}

}  // namespace larder::server::scripting
