#include "server/net/poller.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace larder::server::net {
namespace {

epoll_event event_of(void* subject, Poller::Interest interest) {
  epoll_event event{};
  event.events = (interest.read ? EPOLLIN : 0u) | (interest.write ? EPOLLOUT : 0u) |
                 (interest.end ? EPOLLRDHUP : 0u);
  event.data.ptr = subject;
  return event;
}

}  // namespace

Poller::Poller() : handle_(epoll_create1(EPOLL_CLOEXEC)) {
  if (handle_ < 0) {
    throw std::runtime_error(std::string("Can't make an epoll set: ") + std::strerror(errno));
  }
}

Poller::~Poller() {
  close(handle_);
}

bool Poller::add(int socket, void* subject, Interest interest) {
  epoll_event event = event_of(subject, interest);
  return epoll_ctl(handle_, EPOLL_CTL_ADD, socket, &event) == 0;
}

void Poller::change(int socket, void* subject, Interest interest) {
  epoll_event event = event_of(subject, interest);
  epoll_ctl(handle_, EPOLL_CTL_MOD, socket, &event);
}

void Poller::remove(int socket) {
  epoll_ctl(handle_, EPOLL_CTL_DEL, socket, nullptr);
}

std::span<const epoll_event> Poller::ready() {
  const int count = epoll_wait(handle_, events_.data(), kMostReady, 0);
  return {events_.data(), static_cast<std::size_t>(count < 0 ? 0 : count)};
}

}  // namespace larder::server::net
