#include "storage/types/stream.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/storage/rack.h"

namespace larder::storage {
namespace {

using Pairs = std::vector<std::string>;

Pairs words_of(const StreamEntry& entry) {
  Pairs words;
  entry.each([&](const Bytes& field, const Bytes& value) {
    words.push_back(field.to_string());
    words.push_back(value.to_string());
  });
  return words;
}

std::vector<std::string_view> views_of(const Pairs& words) {
  return {words.begin(), words.end()};
}

// A stream, and the same in std:: containers. The object hangs on no key: it is dropped by hand.
struct Twin {
  ~Twin() { stream->drop(); }

  void add(std::uint64_t ms, std::uint64_t number, const Pairs& words) {
    stream->append({ms, number}, views_of(words), limits);
    entries[{ms, number}] = words;
  }
  void remove(StreamId id) { CHECK(stream->remove(id) == (entries.erase(id) == 1)); }
  // All is as in the model, and every byte of the weight is accounted for.
  void check() {
    REQUIRE(stream->size() == entries.size());
    check_range(StreamId::lowest(), StreamId::highest());
    const StreamId first = entries.empty() ? StreamId::lowest() : entries.begin()->first;
    REQUIRE(stream->first_id() == first);
    REQUIRE(stream->last_entry_id().has_value() == !entries.empty());
    std::size_t live = 0;
    for (const auto& [id, block] : stream->blocks()) {
      REQUIRE(block.first() == id);
      REQUIRE(block.live() > 0);
      live += block.live();
    }
    REQUIRE(live == entries.size());
    Stream* twin = stream->copy();
    std::swap(twin, stream);
    const std::size_t weight = twin->weight_bytes();
    twin->drop();
    check_range(StreamId::lowest(), StreamId::highest());
    CHECK(stream->weight_bytes() <= weight);  // copies have no slack
  }
  void check_range(StreamId from, StreamId to) {
    std::vector<std::pair<StreamId, Pairs>> expected;
    for (auto at = entries.lower_bound(from); at != entries.end() && at->first <= to; ++at) {
      expected.emplace_back(at->first, at->second);
    }
    for (const bool backwards : {false, true}) {
      std::vector<std::pair<StreamId, Pairs>> walked;
      stream->each(from, to, backwards, [&](const StreamEntry& entry) {
        walked.emplace_back(entry.id(), words_of(entry));
        return true;
      });
      if (backwards) std::reverse(walked.begin(), walked.end());
      REQUIRE(walked == expected);
    }
  }

  CollectionLimits limits;
  Stream* stream = new Stream;
  std::map<StreamId, Pairs> entries;
};

TEST_CASE("a stream is what was added, less what was removed, whatever its blocks") {
  std::mt19937_64 chance(3);
  const auto draw = [&](std::uint64_t end) { return chance() % end; };
  for (const auto& [bytes, most] :
       {std::pair<std::size_t, std::size_t>{4096, 100}, {4096, 1}, {64, 100}, {0, 3}, {300, 0}}) {
    Twin twin;
    twin.limits.stream_node_max_bytes = bytes;
    twin.limits.stream_node_max_entries = most;
    std::uint64_t ms = 1;
    std::uint64_t number = 0;
    for (int step = 0; step < 2000; ++step) {
      switch (draw(8)) {
        case 0:
          if (!twin.entries.empty()) {
            auto victim = twin.entries.lower_bound({draw(ms + 1), draw(4)});
            if (victim != twin.entries.end()) twin.remove(victim->first);
          }
          break;
        case 1: twin.remove({draw(ms + 2), draw(4)}); break;
        case 2: {
          if (draw(20) != 0) break;
          const StreamTrim trim{.by = StreamTrim::By::count,
                                .is_about = draw(2) == 0,
                                .most = draw(twin.entries.size() + 5)};
          const std::size_t removed = twin.stream->trim(trim);
          if (!trim.is_about) {
            REQUIRE(removed ==
                    twin.entries.size() - std::min<std::size_t>(twin.entries.size(), trim.most));
          }
          for (std::size_t i = 0; i < removed; ++i) twin.entries.erase(twin.entries.begin());
          break;
        }
        case 3: {
          if (draw(20) != 0) break;
          const StreamTrim trim{.by = StreamTrim::By::id, .least_id = {draw(ms + 2), 0}};
          twin.stream->trim(trim);
          twin.entries.erase(twin.entries.begin(), twin.entries.lower_bound(trim.least_id));
          break;
        }
        default: {
          if (draw(2) == 0) {
            ms += 1 + draw(1000);
            number = draw(3);
          } else {
            number += 1 + draw(70'000);
          }
          Pairs words;
          const std::uint64_t fields = draw(10) == 0 ? 1 + draw(9) : 2;
          for (std::uint64_t i = 0; i < fields; ++i) {
            words.push_back("field" + std::to_string(i));
            words.push_back(draw(2) == 0 ? std::to_string(chance() >> draw(64))
                                         : std::string(draw(90), 'v'));
          }
          twin.add(ms, number, words);
        }
      }
      if (step % 50 == 0) twin.check();
      if (step % 10 == 0) {
        twin.check_range({draw(ms + 1), draw(9)}, {draw(ms + 1), draw(9)});
      }
    }
    twin.check();
  }
}

TEST_CASE("blocks go into listpacks and come back") {
  Twin twin;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    twin.add(i / 3 + 1, i * 2,
             {"temperature", std::to_string(i), "place", i % 7 == 0 ? "" : "north"});
    if (i % 11 == 0) twin.add(i / 3 + 1, i * 2 + 1, {"other", "field"});
  }
  for (std::uint64_t i = 0; i < 1000; i += 5) twin.remove({i / 3 + 1, i * 2});
  Twin other;
  for (const auto& [id, block] : twin.stream->blocks()) {
    const std::string listpack = block.to_listpack();
    REQUIRE(listpack.size() == block.listpack_bytes());
    auto back = StreamBlock::from_listpack(id, listpack);
    REQUIRE(back);
    REQUIRE(back->to_listpack() == listpack);
    REQUIRE(other.stream->append(std::move(*back)));
  }
  other.entries = twin.entries;
  other.check();
}

TEST_CASE("a listpack that is no block is refused, and one that is can be read") {
  std::mt19937_64 chance(5);
  Twin twin;
  for (std::uint64_t i = 1; i < 30; ++i) twin.add(i, 0, {"a", std::to_string(i * 1000), "b", "x"});
  twin.remove({3, 0});
  const std::string sound = twin.stream->blocks().begin()->second.to_listpack();
  for (std::size_t size = 0; size < sound.size(); ++size) {
    CHECK_FALSE(StreamBlock::from_listpack({1, 0}, sound.substr(0, size)));
  }
  for (int i = 0; i < 20'000; ++i) {
    std::string broken = sound;
    for (std::uint64_t left = 1 + chance() % 3; left > 0; --left) {
      broken[chance() % broken.size()] = static_cast<char>(chance());
    }
    const auto block = StreamBlock::from_listpack({1, 0}, broken);
    if (!block) continue;
    std::size_t seen = 0;
    block->each(StreamId::lowest(), StreamId::highest(), true, [&](const StreamEntry& entry) {
      seen += words_of(entry).empty() ? 1 : 1;
      return true;
    });
    CHECK(seen == block->live());
  }
}

// Groups, and the same in std:: containers: id -> (consumer, deliveries).
TEST_CASE("groups know what is pending for whom, and what they weigh") {
  std::mt19937_64 chance(7);
  const auto draw = [&](std::uint64_t end) { return chance() % end; };
  Twin twin;
  const std::size_t empty_bytes = twin.stream->weight_bytes();
  StreamGroup& group = *twin.stream->make_group("a group with a name of some length", {}, 0);
  const std::size_t group_bytes = twin.stream->weight_bytes();
  CHECK(twin.stream->make_group("a group with a name of some length", {}, 0) == nullptr);
  std::map<StreamId, std::pair<std::string, std::uint64_t>> model;
  std::set<std::string> names;
  for (int step = 0; step < 5000; ++step) {
    const std::string name = "a consumer with a long name " + std::to_string(draw(5));
    const StreamId id{draw(200), 0};
    switch (draw(10)) {
      case 0: {
        const std::size_t pending = group.remove_consumer(name);
        std::size_t expected = 0;
        names.erase(name);
        std::erase_if(model, [&](const auto& each) {
          const bool goes = each.second.first == name;
          expected += goes ? 1 : 0;
          return goes;
        });
        REQUIRE(pending == expected);
        break;
      }
      case 1:
      case 2:
      case 3: REQUIRE(group.acknowledge(id) == (model.erase(id) == 1)); break;
      default: {
        StreamConsumer* consumer = group.consumer(name);
        REQUIRE((consumer != nullptr) == names.contains(name));
        if (consumer == nullptr) consumer = &group.make_consumer(name, 5);
        names.insert(name);
        StreamPending& pending = group.assign(id, *consumer);
        pending.deliveries = static_cast<std::uint64_t>(step);
        model[id] = {name, static_cast<std::uint64_t>(step)};
      }
    }
    if (step % 100 != 0) continue;
    REQUIRE(group.pending().size() == model.size());
    std::map<std::string, std::size_t> of_each;
    for (const auto& [at, expected] : model) {
      const StreamPending* pending = group.find(at);
      REQUIRE(pending != nullptr);
      REQUIRE(pending->consumer->name == expected.first);
      REQUIRE(pending->deliveries == expected.second);
      REQUIRE(pending->consumer->pending.contains(at));
      ++of_each[expected.first];
    }
    for (const std::string& each : names) {
      REQUIRE(group.consumer(each)->pending.size() == of_each[each]);
    }
    Stream* copy = twin.stream->copy();
    CHECK(copy->weight_bytes() == twin.stream->weight_bytes());
    CHECK(copy->groups().begin()->second.pending().size() == model.size());
    copy->drop();
  }
  for (const std::string& each : names) group.remove_consumer(each);
  CHECK(twin.stream->weight_bytes() == group_bytes);
  CHECK(twin.stream->remove_group("a group with a name of some length"));
  CHECK(twin.stream->weight_bytes() == empty_bytes);
}

TEST_CASE("a store knows what a stream weighs") {
  Rack rack;  // which audits its books
  Keyspace keys(rack.store, 0, rack.now_ms);
  const Key key = keys.key("s");
  keys.update(key, [&](Slot& slot) {
    slot.set_object(Type::stream, Encoding::stream, new Stream);
    for (std::uint64_t i = 1; i < 500; ++i) {
      slot.edit_object_quietly([&](Object& object) {
        auto& stream = static_cast<Stream&>(object);
        stream.append({i, 0}, views_of({"field", std::string(i, 'x')}), slot.limits());
        if (i == 100) stream.make_group("g", {}, 0)->make_consumer("c", 1);
        if (i > 100) {
          StreamGroup& group = *stream.group("g");
          group.assign({i, 0}, *group.consumer("c"));
        }
      });
    }
  });
  keys.read(key, [](const Value* value) {
    CHECK(value->encoding_name() == "stream");
    CHECK(value->type_name() == "stream");
    CHECK(value->weight_bytes() > 500 * 250);
  });
}

TEST_CASE("ids have neighbours, but for the ends") {
  CHECK(StreamId{1, 0}.previous() == StreamId{0, StreamId::kMost});
  CHECK(StreamId{1, StreamId::kMost}.next() == StreamId{2, 0});
  CHECK(StreamId{1, 2}.next() == StreamId{1, 3});
  CHECK_FALSE(StreamId::lowest().previous());
  CHECK_FALSE(StreamId::highest().next());
}

}  // namespace
}  // namespace larder::storage
