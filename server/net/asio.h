// The one include of Asio (standalone, compiled once in asio.cc). Only net/ and server.cc may see
// it.
#pragma once

// First: Asio asks the standard library's own macros whether aligned_alloc is there, and must hear
// the same in every file, or what one allocates another frees in another way.
#include <cstdlib>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
