#include "storage/types/stream_block.h"

#include <algorithm>

#include "storage/memory.h"

namespace larder::storage {
namespace {

enum EntryFlags : std::int64_t { deleted_entry = 1, same_fields = 2 };

// Of a listpack: its size in four bytes, the number of elements in two; and its end mark.
constexpr std::size_t kHeadBytes = 6;
constexpr std::size_t kEndBytes = 1;
constexpr char kEnd = '\xff';
constexpr std::size_t kUncounted = 0xffff;

// Elements of an entry beside its fields and values: flags, two differences; its own number of
// fields.
constexpr std::size_t kFixedElements = 3;

std::size_t spelled_bytes(std::int64_t number) {
  std::string spelled;
  Packed::append(spelled, number);
  return spelled.size();
}

void append_low_bytes(std::string& to, std::uint64_t number, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) to += static_cast<char>(number >> (8 * i));
}

bool is_text(const Bytes& element, std::string_view text) {
  Bytes::Digits digits;
  return element.text(digits) == text;
}

// Goes over elements that have been looked at one by one, and notices when they are too few or not
// numbers.
class Elements {
 public:
  Elements(Packed elements, std::size_t at) : elements_(elements), at_(at) {}

  bool is_at_end() const { return at_ >= elements_.end(); }
  bool is_good() const { return is_good_; }
  std::size_t position() const { return at_; }
  std::int64_t number() {
    if (is_at_end() || !elements_.at(at_).is_integer()) {
      is_good_ = false;
      return 0;
    }
    const std::int64_t number = elements_.at(at_).integer();
    at_ = elements_.next(at_);
    return number;
  }
  void skip(std::uint64_t count) {
    for (; count > 0 && is_good_; --count) {
      is_good_ = !is_at_end();
      if (is_good_) at_ = elements_.next(at_);
    }
  }

 private:
  Packed elements_;
  std::size_t at_;
  bool is_good_ = true;
};

}  // namespace

std::optional<StreamId> StreamId::next() const {
  if (number < kMost) return StreamId{ms, number + 1};
  if (ms < kMost) return StreamId{ms + 1, 0};
  return std::nullopt;
}

std::optional<StreamId> StreamId::previous() const {
  if (number > 0) return StreamId{ms, number - 1};
  if (ms > 0) return StreamId{ms - 1, kMost};
  return std::nullopt;
}

StreamBlock::StreamBlock(StreamId first, std::span<const std::string_view> words)
    : first_(first), last_(first), fields_(static_cast<std::uint32_t>(words.size() / 2)) {
  Packed::append(bytes_, static_cast<std::int64_t>(fields_));
  names_ = static_cast<std::uint32_t>(bytes_.size());
  for (std::size_t i = 0; i < words.size(); i += 2) Packed::append(bytes_, words[i]);
  Packed::append(bytes_, std::int64_t{0});
  entries_ = static_cast<std::uint32_t>(bytes_.size());
}

bool StreamBlock::is_alike(std::span<const std::string_view> words) const {
  if (words.size() / 2 != fields_) return false;
  std::size_t name = names_;
  for (std::size_t i = 0; i < words.size(); i += 2, name = elements().next(name)) {
    if (!is_text(elements().at(name), words[i])) return false;
  }
  return true;
}

void StreamBlock::append(StreamId id, std::span<const std::string_view> words) {
  const bool alike = is_alike(words);
  Packed::append(bytes_, alike ? std::int64_t{same_fields} : 0);
  Packed::append(bytes_, static_cast<std::int64_t>(id.ms - first_.ms));
  Packed::append(bytes_, static_cast<std::int64_t>(id.number - first_.number));
  if (!alike) Packed::append(bytes_, static_cast<std::int64_t>(words.size() / 2));
  for (std::size_t i = alike ? 1 : 0; i < words.size(); i += alike ? 2 : 1) {
    Packed::append(bytes_, words[i]);
  }
  const std::size_t elements = kFixedElements + (alike ? words.size() / 2 : words.size() + 1);
  Packed::append(bytes_, static_cast<std::int64_t>(elements));
  last_ = id;
  ++live_;
}

StreamEntry StreamBlock::entry_at(std::size_t position) const {
  const Packed all = elements();
  StreamEntry entry;
  entry.elements_ = all;
  entry.begin_ = position;
  const std::int64_t flags = all.at(position).integer();
  entry.is_deleted_ = (flags & deleted_entry) != 0;
  entry.is_alike_ = (flags & same_fields) != 0;
  position = all.next(position);
  entry.id_.ms = first_.ms + static_cast<std::uint64_t>(all.at(position).integer());
  position = all.next(position);
  entry.id_.number = first_.number + static_cast<std::uint64_t>(all.at(position).integer());
  position = all.next(position);
  entry.size_ = fields_;
  entry.names_ = names_;
  if (!entry.is_alike_) {
    entry.size_ = static_cast<std::size_t>(all.at(position).integer());
    position = all.next(position);
  }
  entry.at_ = position;
  return entry;
}

StreamEntry StreamBlock::entry_before(std::size_t end) const {
  std::size_t position = elements().before(end);
  for (std::int64_t left = elements().at(position).integer(); left > 0; --left) {
    position = elements().before(position);
  }
  return entry_at(position);
}

std::size_t StreamBlock::end_of(const StreamEntry& entry) const {
  std::size_t position = entry.at_;
  std::size_t left = entry.is_alike_ ? entry.size_ : entry.size_ * 2;
  for (++left; left > 0; --left) position = elements().next(position);
  return position;
}

// Flags are a small number, which is its own byte.
void StreamBlock::mark(const StreamEntry& entry) {
  bytes_[entry.begin_] = static_cast<char>(bytes_[entry.begin_] | deleted_entry);
  --live_;
  ++deleted_;
}

std::optional<StreamEntry> StreamBlock::find(StreamId id) const {
  std::optional<StreamEntry> found;
  each(id, id, false, [&](const StreamEntry& entry) {
    found = entry;
    return false;
  });
  return found;
}

bool StreamBlock::remove(StreamId id) {
  const auto entry = find(id);
  if (entry) mark(*entry);
  return entry.has_value();
}

std::size_t StreamBlock::listpack_bytes() const {
  return kHeadBytes + spelled_bytes(live_) + spelled_bytes(deleted_) + bytes_.size() + kEndBytes;
}

std::string StreamBlock::to_listpack() const {
  std::size_t count = 2;
  for (std::size_t at = 0; at < bytes_.size(); at = elements().next(at)) ++count;
  std::string listpack;
  listpack.reserve(listpack_bytes());
  append_low_bytes(listpack, listpack_bytes(), 4);
  append_low_bytes(listpack, std::min(count, kUncounted), 2);
  Packed::append(listpack, static_cast<std::int64_t>(live_));
  Packed::append(listpack, static_cast<std::int64_t>(deleted_));
  listpack += bytes_;
  listpack += kEnd;
  return listpack;
}

std::optional<StreamBlock> StreamBlock::from_listpack(StreamId first, std::string_view listpack) {
  if (listpack.size() > kMostBytes + kMostBytes) return std::nullopt;
  if (!Packed::each_of_listpack(listpack, [](const Bytes&) {})) return std::nullopt;
  const Packed all(listpack.substr(0, listpack.size() - kEndBytes));
  Elements head(all, kHeadBytes);
  const std::int64_t live = head.number();
  const std::int64_t deleted = head.number();
  if (!head.is_good() || live < 0 || deleted < 0) return std::nullopt;
  StreamBlock block;
  block.first_ = first;
  block.bytes_ = all.slice(head.position(), all.end());
  if (!block.read_body()) return std::nullopt;
  if (block.live_ != static_cast<std::uint64_t>(live)) return std::nullopt;
  if (block.deleted_ != static_cast<std::uint64_t>(deleted)) return std::nullopt;
  return block;
}

// What bytes_ say of themselves, if they say it well.
bool StreamBlock::read_body() {
  const Packed all = elements();
  Elements head(all, 0);
  const std::int64_t fields = head.number();
  names_ = static_cast<std::uint32_t>(head.position());
  if (fields < 0 || static_cast<std::size_t>(fields) > bytes_.size()) return false;
  head.skip(static_cast<std::uint64_t>(fields));
  if (head.number() != 0 || !head.is_good()) return false;
  fields_ = static_cast<std::uint32_t>(fields);
  entries_ = static_cast<std::uint32_t>(head.position());
  Elements body(all, entries_);
  while (!body.is_at_end()) {
    const char first_byte = bytes_[body.position()];
    const std::int64_t flags = body.number();
    const auto ms = static_cast<std::uint64_t>(body.number());
    const auto number = static_cast<std::uint64_t>(body.number());
    const bool alike = (flags & same_fields) != 0;
    const std::int64_t own_fields = alike ? fields : body.number();
    if (flags < 0 || flags > (deleted_entry | same_fields) || own_fields < 0) return false;
    if (first_byte != static_cast<char>(flags)) return false;  // where mark() will write
    const auto words = static_cast<std::uint64_t>(own_fields) * (alike ? 1 : 2);
    body.skip(words);
    const std::int64_t stated = body.number();
    if (!body.is_good() || ms > StreamId::kMost - first_.ms) return false;
    if (static_cast<std::uint64_t>(stated) != kFixedElements + words + (alike ? 0 : 1))
      return false;
    const StreamId id{first_.ms + ms, first_.number + number};
    const bool is_first = live_ + deleted_ == 0;
    if (is_first ? id < first_ : id <= last_) return false;
    last_ = id;
    ++((flags & deleted_entry) != 0 ? deleted_ : live_);
  }
  return live_ + deleted_ > 0;
}

std::size_t StreamBlock::heap_bytes() const {
  static const std::size_t kWithin = std::string().capacity();
  return bytes_.capacity() > kWithin ? footprint(bytes_.capacity() + 1) : 0;
}

}  // namespace larder::storage
