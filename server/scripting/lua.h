// Interpreter: one lane's Lua, in which the scripts of that lane's clients run.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace larder::server {

struct Call;
class Lane;
struct Services;

namespace scripting {

class Interpreter {
 public:
  Interpreter(Services& services, Lane& lane);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace scripting
}  // namespace larder::server
