#include "server/net/asio.h"

#include <asio/impl/src.hpp>
