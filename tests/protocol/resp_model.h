// A slow, obvious reader of the RESP request grammar, to hold RespReader against.
//
// It sees all bytes at once, keeps no state and copies every word; each rule is one step. Inline
// lines are split by a table-like state machine that shares nothing with LineWords. What is
// compared: the requests, how many bytes they took, how it ended, and the error's text.
#pragma once

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/resp_reader.h"

namespace larder::protocol::model {

using Request = std::vector<std::string>;

struct Outcome {
  std::vector<Request> requests;
  std::size_t consumed = 0;
  RespReader::Status status = RespReader::Status::complete;
  std::string problem;

  bool operator==(const Outcome&) const = default;
};

// The words of an inline line; none if a quote is not closed as it must be.
inline std::optional<Request> split_line(const std::string& line) {
  enum State { between, plain, doubled, single, closed } state = between;
  Request words;
  for (std::size_t i = 0; i <= line.size(); ++i) {
    const bool end = i == line.size();
    const char c = end ? ' ' : line[i];
    const bool space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (end && (state == doubled || state == single)) return std::nullopt;
    if (state == closed && !space) return std::nullopt;
    if (state == between && !space) {
      words.emplace_back();
      state = plain;
    }
    if (state == between) continue;
    if (state == closed) {
      state = between;
      continue;
    }
    std::string& word = words.back();
    const std::string ahead = line.substr(i);
    if (state == plain) {
      if (end || std::string_view(" \t\r\n").find(c) != std::string_view::npos) {
        state = between;
      } else if (c == '"') {
        state = doubled;
      } else if (c == '\'') {
        state = single;
      } else {
        word += c;
      }
    } else if (state == single) {
      if (ahead.starts_with("\\'")) {
        word += '\'';
        ++i;
      } else if (c == '\'') {
        state = closed;
      } else {
        word += c;
      }
    } else if (c == '"') {
      state = closed;
    } else if (ahead.size() >= 4 && ahead.starts_with("\\x") &&
               std::isxdigit(static_cast<unsigned char>(ahead[2])) &&
               std::isxdigit(static_cast<unsigned char>(ahead[3]))) {
      word += static_cast<char>(std::stoi(ahead.substr(2, 2), nullptr, 16));
      i += 3;
    } else if (c == '\\' && ahead.size() >= 2) {
      const std::string_view from = "nrtba";
      const std::string_view to = "\n\r\t\b\a";
      const std::size_t known = from.find(ahead[1]);
      word += known == std::string_view::npos ? ahead[1] : to[known];
      ++i;
    } else {
      word += c;
    }
  }
  return words;
}

// The text up to `mark`, if the mark is there with nothing that hides it.
inline std::optional<std::string> line_before(const std::string& bytes, char mark,
                                              std::size_t longest) {
  const std::size_t found = bytes.find(mark);
  if (found == std::string::npos || found > longest || bytes.find('\0') < found) {
    return std::nullopt;
  }
  return bytes.substr(0, found);
}

// Digits without a leading zero, perhaps a sign, that fit 64 bits.
inline std::optional<long long> number(const std::string& text) {
  const std::string digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty()) return std::nullopt;
  if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  if (digits[0] == '0' && text != "0") return std::nullopt;
  errno = 0;
  const long long value = std::strtoll(text.c_str(), nullptr, 10);
  if (errno != 0) return std::nullopt;
  return value;
}

inline Outcome read(std::string_view bytes, const RespReader::Limits& limits) {
  using enum RespReader::Status;
  Outcome outcome;
  const auto ends = [&](RespReader::Status status, const std::string& problem = "") {
    outcome.status = status;
    outcome.problem = problem.empty() ? "" : "ERR Protocol error: " + problem;
    return outcome;
  };
  std::string rest(bytes);
  const std::size_t longest = limits.max_inline_bytes;
  while (!rest.empty()) {
    Request request;
    std::string left = rest;
    if (left[0] != '*') {
      const auto line = line_before(left, '\n', longest);
      if (!line) {
        return left.size() > longest ? ends(problem, "too big inline request") : ends(need_more);
      }
      const auto words =
          split_line(line->ends_with('\r') ? line->substr(0, line->size() - 1) : *line);
      if (!words) return ends(problem, "unbalanced quotes in request");
      request = *words;
      left.erase(0, line->size() + 1);
    } else {
      const auto head = line_before(left, '\r', longest);
      if (!head && left.size() > longest) return ends(problem, "too big mbulk count string");
      if (!head || left.size() < head->size() + 2) return ends(need_more);
      const auto count = number(head->substr(1));
      if (!count || *count > static_cast<long long>(limits.max_words)) {
        return ends(problem, "invalid multibulk length");
      }
      if (*count > 10 && !limits.authenticated) {
        return ends(problem, "unauthenticated multibulk length");
      }
      left.erase(0, head->size() + 2);
      for (long long i = 0; i < *count; ++i) {
        const auto size_line = line_before(left, '\r', longest);
        if (!size_line && left.size() > longest) return ends(problem, "too big bulk count string");
        if (!size_line || left.size() < size_line->size() + 2) return ends(need_more);
        if (left[0] != '$')
          return ends(problem, std::string("expected '$', got '") + left[0] + "'");
        const auto size = number(size_line->substr(1));
        if (!size || *size < 0 || *size > static_cast<long long>(limits.max_bulk_bytes)) {
          return ends(problem, "invalid bulk length");
        }
        if (*size > 16384 && !limits.authenticated) {
          return ends(problem, "unauthenticated bulk length");
        }
        left.erase(0, size_line->size() + 2);
        const auto wanted = static_cast<std::size_t>(*size);
        if (left.size() < wanted + 2) return ends(need_more);
        request.push_back(left.substr(0, wanted));
        left.erase(0, wanted + 2);
      }
    }
    if (!request.empty()) outcome.requests.push_back(request);
    outcome.consumed += rest.size() - left.size();
    rest = left;
  }
  return ends(complete);
}

}  // namespace larder::protocol::model
