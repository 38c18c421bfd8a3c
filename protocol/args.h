// Args: a cursor over the words of a request. A command reads its arguments in order and judges
// once, at the end.
//
//     Args args{words, 3};
//     while (args.more()) {
//       if (args.eat("NX"))      only_if_absent = true;
//       else if (args.eat("EX")) seconds = args.integer();
//       else                     args.fail(errors::syntax);
//     }
//     if (!args.finish()) return reply.error(args.problem());
//
// The first problem is latched and later ones are not heard, so the error is about the first word
// that was wrong. After a problem more() is false, which ends such loops; what is read after it
// means nothing. Where Redis looks at all option names before any number (SET, GETEX), take() the
// number's word in the loop and read it behind the loop.
//
// Must hold: the words outlive the cursor.
// Thread: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/errors.h"
#include "protocol/request.h"

namespace larder::protocol {

// Whether the two are equal when the case of ASCII letters is ignored. `upper` has no lower-case
// letters.
bool same_word(std::string_view word, std::string_view upper);

class Args {
 public:
  explicit Args(Words words, std::size_t next = 1) : words_(words), next_(next) {}

  bool more() const { return next_ < words_.size() && !failed(); }
  std::size_t left() const { return next_ < words_.size() ? words_.size() - next_ : 0; }

  // The next word. Without one: errors::syntax, and an empty word.
  std::string_view take();
  // The next word without taking it; empty without one.
  std::string_view peek() const {
    return next_ < words_.size() ? words_[next_] : std::string_view{};
  }
  // Takes the next word if it is this one in any case. `upper` is in upper case.
  bool eat(std::string_view upper);

  // The next word as a number; 0 when it is none.
  std::int64_t integer(std::string_view problem = errors::not_an_integer);
  // Also the problem: a number outside lowest ... highest.
  std::int64_t integer_between(std::int64_t lowest, std::int64_t highest,
                               std::string_view problem = errors::not_an_integer);
  double number(std::string_view problem = errors::not_a_float);

  // Something is wrong; the first text given is kept (copied).
  void fail(std::string_view problem);
  bool failed() const { return !problem_.empty(); }

  // True if nothing was wrong and no word is left over (a word left over is errors::syntax).
  bool finish();
  std::string_view problem() const { return problem_; }

  // The words not taken yet. Takes none of them.
  Words rest() const { return words_.subspan(words_.size() - left()); }
  // Takes `count` words at once, such as the keys after a numkeys. Fewer left: errors::syntax, and
  // none.
  Words take_words(std::size_t count);

 private:
  Words words_;
  std::size_t next_;
  std::string problem_;
};

}  // namespace larder::protocol
