#include "storage/types/bytes.h"

namespace larder::storage {

std::optional<std::int64_t> strict_integer(std::string_view text) {
  if (text.empty() || text.size() > 20) return std::nullopt;
  const bool is_negative = text.front() == '-';
  const std::string_view digits = text.substr(is_negative ? 1 : 0);
  if (digits.empty() || digits.front() < '0' || digits.front() > '9') return std::nullopt;
  if (digits.front() == '0' && (digits.size() > 1 || is_negative)) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> Bytes::as_integer() const {
  return is_integer_ ? std::optional(integer_) : strict_integer(text_);
}

}  // namespace larder::storage
