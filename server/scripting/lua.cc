#include "server/scripting/lua.h"

namespace larder::server::scripting {

struct Interpreter::State {
  Services& services;
  Lane& lane;
};

Interpreter::Interpreter(Services& services, Lane& lane)
    : state_(std::make_unique<State>(State{services, lane})) {}

Interpreter::~Interpreter() = default;

}  // namespace larder::server::scripting
