#include "tests/support/reply_text.h"

#include <array>
#include <cstddef>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace larder::testing {
namespace {

using protocol::Node;
using Kind = Node::Kind;

std::string_view take_line(std::string_view& bytes) {
  const std::size_t end = bytes.find("\r\n");
  if (end == std::string_view::npos) throw std::runtime_error("a reply line has no end");
  const std::string_view line = bytes.substr(0, end);
  bytes.remove_prefix(end + 2);
  return line;
}

std::string_view take_bulk(std::string_view& bytes, std::size_t count) {
  if (bytes.size() < count + 2) throw std::runtime_error("a bulk reply is cut short");
  const std::string_view taken = bytes.substr(0, count);
  bytes.remove_prefix(count + 2);
  return taken;
}

Node text_node(Kind kind, std::string_view text) {
  Node node;
  node.kind = kind;
  node.text = std::string(text);
  return node;
}

Node take_aggregate(Kind kind, long long count, std::string_view& bytes) {
  Node node;
  node.kind = kind;
  for (long long i = 0; i < count; ++i) node.children.push_back(take_reply(bytes));
  return node;
}

Node take_counted(char sigil, std::string_view line, std::string_view& bytes) {
  const long long count = std::strtoll(std::string(line).c_str(), nullptr, 10);
  if (count < 0) return text_node(sigil == '*' ? Kind::null_array : Kind::null, "");
  switch (sigil) {
    case '$': return text_node(Kind::bulk, take_bulk(bytes, static_cast<std::size_t>(count)));
    case '=': {
      const std::string_view whole = take_bulk(bytes, static_cast<std::size_t>(count));
      Node node = text_node(Kind::verbatim, whole.substr(4));
      node.format = std::string(whole.substr(0, 3));
      return node;
    }
    case '*': return take_aggregate(Kind::array, count, bytes);
    case '%': return take_aggregate(Kind::map, count * 2, bytes);
    case '~': return take_aggregate(Kind::set, count, bytes);
    default: return take_aggregate(Kind::push, count, bytes);
  }
}

}  // namespace

Node take_reply(std::string_view& bytes) {
  if (bytes.empty()) throw std::runtime_error("there is no reply");
  const char sigil = bytes.front();
  bytes.remove_prefix(1);
  const std::string_view line = take_line(bytes);
  Node node;
  switch (sigil) {
    case '+': return text_node(Kind::simple, line);
    case '-': return text_node(Kind::error, line);
    case '(': return text_node(Kind::big_number, line);
    case '_': return node;
    case ':':
      node.kind = Kind::integer;
      node.integer = std::strtoll(std::string(line).c_str(), nullptr, 10);
      return node;
    case '#':
      node.kind = Kind::boolean;
      node.integer = line == "t" ? 1 : 0;
      return node;
    case ',':
      node.kind = Kind::number;
      node.number = std::strtod(std::string(line).c_str(), nullptr);
      return node;
    case '$':
    case '=':
    case '*':
    case '%':
    case '~':
    case '>': return take_counted(sigil, line, bytes);
    default: throw std::runtime_error(std::string("no reply begins with ") + sigil);
  }
}

std::string take_bytes(protocol::OutputBuffer& output) {
  std::string bytes;
  std::array<protocol::OutputBuffer::Piece, 16> pieces;
  while (!output.empty()) {
    const std::size_t count = output.gather(pieces);
    std::size_t taken = 0;
    for (std::size_t i = 0; i < count; ++i) {
      bytes.append(pieces[i].data, pieces[i].size);
      taken += pieces[i].size;
    }
    output.consume(taken);
  }
  return bytes;
}

}  // namespace larder::testing
