// Requests as words: what a client asked, before anybody knows what the words mean.
//
// A request is a span of views into the input buffer; nothing is copied. The only exception is a
// word of an inline request that was quoted or escaped: its plain form lives in the batch itself.
//
// A RequestBatch holds all requests that were complete in one read. Their words lie behind each
// other in one flat array, and a request is a slice of it:
//
//     words_   | SET | tea | green | GET | tea | PING |
//     ends_        3 ----------^       5 --^      6 -^
//
// Must hold: views are good until the input buffer is written to (InputBuffer::writable) or the
// batch is cleared.
// Cost: adding a request that the batch has room for allocates nothing; the arrays are kept between
// batches, up to kKeptWords words.
// Thread: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace larder::protocol {

// One request: the command's name first. Never empty when it comes from a batch.
using Words = std::span<const std::string_view>;

class RequestBatch {
 public:
  // What a cleared batch may keep for the next one; 64 KiB of views, room for a full read of small
  // pipelined requests.
  static constexpr std::size_t kKeptWords = 4096;

  RequestBatch() = default;
  RequestBatch(const RequestBatch&) = delete;
  RequestBatch& operator=(const RequestBatch&) = delete;

  bool empty() const { return ends_.empty(); }
  std::size_t size() const { return ends_.size(); }
  std::size_t total_words() const { return used_words_; }

  Words operator[](std::size_t index) const {
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
    return {words_.get() + begin, ends_[index] - begin};
  }

  // Forgets all requests. Gives memory back when a batch was unusually big.
  void clear();

  // For readers: room for `count` words after those that are there. Nothing is added until
  // add_request().
  std::string_view* room_for(std::size_t count) {
    if (capacity_ - used_words_ < count) grow(count);
    return words_.get() + used_words_;
  }

  // For readers: the first `count` words of the room are the next request.
  void add_request(std::size_t count) {
    used_words_ += count;
    ends_.push_back(used_words_);
  }

  // For readers: an empty string that lives as long as the batch is not cleared.
  std::string& keep_text() { return texts_.emplace_back(); }

 private:
  void grow(std::size_t count);

  std::unique_ptr<std::string_view[]> words_;
  std::size_t capacity_ = 0;
  std::size_t used_words_ = 0;
  std::vector<std::size_t> ends_;
  std::deque<std::string> texts_;  // a deque: its strings never move
};

}  // namespace larder::protocol
