// ensure: what must hold, checked in every build. ensure_hot: the same for checks inside probe and
// byte loops, compiled only where LARDER_HOT_CHECKS is set (debug, asan, tsan, fuzz). A failed
// check is our mistake, never the user's: the process says which sentence broke and ends, since a
// cache that goes on with broken books loses more than a restart.
#pragma once

namespace larder {
[[noreturn]] void broken(const char* sentence, const char* file, int line) noexcept;
}

#define ensure(condition, sentence)                   \
  do {                                                \
    if (!(condition)) [[unlikely]]                    \
      ::larder::broken(sentence, __FILE__, __LINE__); \
  } while (false)

#ifdef LARDER_HOT_CHECKS
#define ensure_hot(condition, sentence) ensure(condition, sentence)
#else
#define ensure_hot(condition, sentence) \
  do {                                  \
  } while (false)
#endif
