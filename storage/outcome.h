// What an operation of the store came to. No text here: engine/answer.h turns an Outcome into the
// error a user reads.
#pragma once

#include <cstdint>
#include <utility>
#include <variant>

#include "storage/ensure.h"

namespace larder::storage {

enum class [[nodiscard]] Outcome : std::uint8_t{
    ok,
    absent,          // no such key
    wrong_type,      // the key holds another kind of value
    not_an_integer,  // the string is not a 64-bit integer
    not_a_float,     // the string is not a number
    overflow,        // the sum does not fit
    not_finite,      // the sum would be infinite or not a number
    too_large,       // the value would pass the largest allowed string
};

// A value or why there is none (std::expected is not in this compiler's library yet).
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Outcome problem) : state_(problem) {
    ensure(problem != Outcome::ok, "a Result without a value needs a problem");
  }

  explicit operator bool() const { return state_.index() == 0; }
  const T& operator*() const { return std::get<0>(state_); }
  T& operator*() { return std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  Outcome problem() const { return std::get<1>(state_); }

 private:
  std::variant<T, Outcome> state_;
};

}  // namespace larder::storage
