#include "storage/types/hyperloglog.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "storage/ensure.h"

namespace larder::storage::hyperloglog {
namespace {

constexpr std::string_view kMagic = "HYLL";
constexpr std::size_t kFormAt = 4;
constexpr std::size_t kCountAt = 8;
constexpr std::uint64_t kStaleMark = std::uint64_t{1} << 63;
constexpr std::uint64_t kHashSeed = 0xadc83b19;
// What is left of a hash behind the register's index; the highest rank is one more.
constexpr unsigned kRankBits = 64 - kIndexBits;

constexpr std::size_t kMostShortZeros = 64;
constexpr std::size_t kMostValues = 4;
constexpr std::uint8_t kMostSparseRank = 32;
// How many steps behind a change equal runs are looked for.
constexpr int kJoinSteps = 5;

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint64_t little_endian(const char* bytes, std::size_t size) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < size; ++i) {
    word |= std::uint64_t{static_cast<std::uint8_t>(bytes[i])} << (8 * i);
  }
  return word;
}

std::uint64_t murmur_hash_64a(std::string_view text, std::uint64_t seed) {
  constexpr std::uint64_t kFactor = 0xc6a4a7935bd1e995;
  constexpr unsigned kShift = 47;
  std::uint64_t hash = seed ^ (text.size() * kFactor);
  for (; text.size() >= 8; text.remove_prefix(8)) {
    std::uint64_t word = little_endian(text.data(), 8) * kFactor;
    word = (word ^ word >> kShift) * kFactor;
    hash = (hash ^ word) * kFactor;
  }
  if (!text.empty()) hash = (hash ^ little_endian(text.data(), text.size())) * kFactor;
  hash = (hash ^ hash >> kShift) * kFactor;
  return hash ^ hash >> kShift;
}

// --- the sparse form

struct Run {
  std::size_t at;         // where its first byte is
  std::size_t registers;  // how many it speaks of
  std::uint8_t bytes;
  std::uint8_t rank;  // 0: a run of zeros

  bool is_of_values() const { return rank > 0; }
};

// The run that begins there; nothing when it has no second byte where it needs one.
std::optional<Run> run_at(std::string_view bytes, std::size_t at) {
  const std::uint8_t first = byte_at(bytes, at);
  if ((first & 0x80) != 0) {
    return Run{at, (first & 3u) + 1u, 1, static_cast<std::uint8_t>((first >> 2 & 31) + 1)};
  }
  if ((first & 0x40) == 0) return Run{at, (first & 63u) + 1u, 1, 0};
  if (at + 1 == bytes.size()) return std::nullopt;
  return Run{at, ((first & 63u) << 8 | byte_at(bytes, at + 1)) + 1u, 2, 0};
}

// Calls visit(index of the first register, run) for every run. False when the runs are not those
// of 16384 registers; those visited lay within.
template <class Visitor>
bool each_run(std::string_view bytes, Visitor&& visit) {
  std::size_t index = 0;
  for (std::size_t at = kHeaderBytes; at < bytes.size();) {
    const auto run = run_at(bytes, at);
    if (!run || run->registers > kRegisters - index) return false;
    visit(index, *run);
    index += run->registers;
    at += run->bytes;
  }
  return index == kRegisters;
}

// Runs on their way into a string: no change needs more than a long run on both sides of a value.
struct NewRuns {
  std::array<char, 5> bytes{};
  std::size_t size = 0;

  void put(unsigned byte) { bytes[size++] = static_cast<char>(byte); }
  void add_zeros(std::size_t registers) {
    const auto n = static_cast<unsigned>(registers - 1);
    if (registers > kMostShortZeros) put(0x40u | n >> 8);
    put(registers > kMostShortZeros ? n & 0xffu : n);
  }
  void add_values(std::size_t registers, std::uint8_t rank) {
    put(0x80u | (rank - 1u) << 2 | static_cast<unsigned>(registers - 1));
  }
  void add(std::size_t registers, std::uint8_t rank) {
    if (registers == 0) return;
    rank == 0 ? add_zeros(registers) : add_values(registers, rank);
  }
  std::string_view view() const { return {bytes.data(), size}; }
};

// Joins values of one rank that now are neighbours, from that run on.
void join_values(std::string& bytes, std::size_t at) {
  for (int step = 0; step < kJoinSteps && at < bytes.size(); ++step) {
    const auto run = run_at(bytes, at);
    if (!run) return;
    const std::size_t behind = at + run->bytes;
    if (run->is_of_values() && behind < bytes.size()) {
      const auto next = run_at(bytes, behind);
      if (next && next->rank == run->rank && run->registers + next->registers <= kMostValues) {
        NewRuns joined;
        joined.add_values(run->registers + next->registers, run->rank);
        bytes.replace(at, 2, joined.view());
        continue;  // perhaps the one behind it, too
      }
    }
    at = behind;
  }
}

void mark_stale(std::string& bytes) {
  const Header header = with_stale_count(bytes);
  std::memcpy(bytes.data(), header.data(), header.size());
}

std::optional<bool> raise_as_dense(std::string& bytes, Place place) {
  auto dense = to_dense(bytes);
  if (!dense) return std::nullopt;
  bytes = std::move(*dense);
  return raise_dense(bytes, place);
}

// Where a register is in the sparse form.
struct Found {
  std::optional<Run> before;  // the run ahead of its own
  Run run;
  std::size_t first;  // the run's first register
};

std::optional<Found> find_run(std::string_view bytes, std::size_t index) {
  if (bytes.size() > kMostBytes) return std::nullopt;
  std::optional<Run> before;
  std::size_t first = 0;
  for (std::size_t at = kHeaderBytes; at < bytes.size();) {
    const auto run = run_at(bytes, at);
    if (!run) return std::nullopt;
    if (index < first + run->registers) return Found{before, *run, first};
    first += run->registers;
    at += run->bytes;
    before = run;
  }
  return std::nullopt;
}

std::optional<bool> raise_sparse(std::string& bytes, Place place, std::size_t most_bytes) {
  if (place.rank > kMostSparseRank) return raise_as_dense(bytes, place);
  const auto found = find_run(bytes, place.index);
  if (!found) return std::nullopt;
  const Run& run = found->run;
  if (run.rank >= place.rank) return false;

  NewRuns runs;
  runs.add(place.index - found->first, run.rank);
  runs.add(1, place.rank);
  runs.add(found->first + run.registers - 1 - place.index, run.rank);
  const bool grows = runs.size > run.bytes;
  if (grows && bytes.size() + runs.size - run.bytes > most_bytes) {
    return raise_as_dense(bytes, place);
  }
  bytes.replace(run.at, run.bytes, runs.view());
  join_values(bytes, found->before ? found->before->at : kHeaderBytes);
  mark_stale(bytes);
  return true;
}

// --- the estimate

// How many registers have which rank.
using Histogram = std::array<std::uint32_t, 1 << kRegisterBits>;

// The sum x + x^2 + 2 x^4 + 4 x^8 ..., for the registers of rank 0. Ertl's sigma.
double sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double sum = x;
  double before;
  double weight = 1;
  do {
    x *= x;
    before = sum;
    sum += x * weight;
    weight += weight;
  } while (sum != before);
  return sum;
}

// Its counterpart for the registers of the highest rank. Ertl's tau.
double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double sum = 1 - x;
  double before;
  double weight = 1;
  do {
    x = std::sqrt(x);
    before = sum;
    weight *= 0.5;
    sum -= (1 - x) * (1 - x) * weight;
  } while (sum != before);
  return sum / 3;
}

std::uint64_t estimate(const Histogram& histogram) {
  constexpr double kAlpha = 0.721347520444481703680;  // 1 / (2 ln 2)
  constexpr double kCount = kRegisters;
  double sum = kCount * tau((kCount - histogram[kRankBits + 1]) / kCount);
  for (unsigned rank = kRankBits; rank >= 1; --rank) sum = (sum + histogram[rank]) * 0.5;
  sum += kCount * sigma(histogram[0] / kCount);
  const double number = kAlpha * kCount * kCount / sum;
  // Only registers that no element has made say that much.
  if (!(number < 0x1p63)) return kStaleMark;
  return static_cast<std::uint64_t>(std::llround(number));
}

// Calls visit(index, rank) for every register of the dense form. Four of them lie in three bytes.
template <class Visitor>
void each_dense(std::string_view bytes, Visitor&& visit) {
  const char* at = bytes.data() + kHeaderBytes;
  for (std::uint32_t index = 0; index < kRegisters; index += 4, at += 3) {
    const auto four = static_cast<std::uint32_t>(little_endian(at, 3));
    for (std::uint32_t i = 0; i < 4; ++i) {
      visit(index + i, static_cast<std::uint8_t>(four >> (kRegisterBits * i) & 63));
    }
  }
}

}  // namespace

std::string_view name_of(Form form) {
  return form == Form::dense ? "dense" : "sparse";
}

Place place_of(std::string_view element) {
  const std::uint64_t hash = murmur_hash_64a(element, kHashSeed);
  // The mark above the hash ends the zeros where the hash has no one.
  const std::uint64_t rest = hash >> kIndexBits | std::uint64_t{1} << kRankBits;
  return {static_cast<std::uint32_t>(hash % kRegisters),
          static_cast<std::uint8_t>(std::countr_zero(rest) + 1)};
}

std::optional<Form> form_of(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || !bytes.starts_with(kMagic)) return std::nullopt;
  switch (byte_at(bytes, kFormAt)) {
    case static_cast<std::uint8_t>(Form::sparse): return Form::sparse;
    case static_cast<std::uint8_t>(Form::dense):
      if (bytes.size() == kDenseBytes) return Form::dense;
      [[fallthrough]];
    default: return std::nullopt;
  }
}

std::optional<std::uint64_t> kept_count(std::string_view bytes) {
  const std::uint64_t word = little_endian(bytes.data() + kCountAt, 8);
  if ((word & kStaleMark) != 0) return std::nullopt;
  return word;
}

std::optional<std::uint64_t> count(std::string_view bytes) {
  Histogram histogram{};
  if (form_of(bytes) == Form::dense) {
    each_dense(bytes, [&](std::uint32_t, std::uint8_t rank) { ++histogram[rank]; });
  } else {
    const auto add = [&](std::size_t, const Run& run) {
      histogram[run.rank] += static_cast<std::uint32_t>(run.registers);
    };
    if (!each_run(bytes, add)) return std::nullopt;
  }
  return estimate(histogram);
}

std::uint64_t count(const Registers& registers) {
  Histogram histogram{};
  for (const std::uint8_t rank : registers) ++histogram[rank % histogram.size()];
  return estimate(histogram);
}

bool merge_into(Registers& registers, std::string_view bytes) {
  const auto raise = [&](std::size_t index, std::uint8_t rank) {
    if (registers[index] < rank) registers[index] = rank;
  };
  if (form_of(bytes) == Form::dense) {
    each_dense(bytes, raise);
    return true;
  }
  return each_run(bytes, [&](std::size_t index, const Run& run) {
    if (!run.is_of_values()) return;
    for (std::size_t i = 0; i < run.registers; ++i) raise(index + i, run.rank);
  });
}

std::optional<std::string> describe(std::string_view bytes) {
  std::string text;
  const auto add = [&](std::size_t, const Run& run) {
    if (!text.empty()) text += ' ';
    text += run.is_of_values() ? "v:" : run.bytes == 1 ? "z:" : "Z:";
    if (run.is_of_values()) text += std::to_string(run.rank) + ",";
    text += std::to_string(run.registers);
  };
  if (!each_run(bytes, add)) return std::nullopt;
  return text;
}

Header with_count(std::string_view bytes, std::uint64_t count) {
  Header header;
  std::memcpy(header.data(), bytes.data(), header.size());
  for (std::size_t i = 0; i < 8; ++i) header[kCountAt + i] = static_cast<char>(count >> (8 * i));
  return header;
}

Header with_stale_count(std::string_view bytes) {
  return with_count(bytes, little_endian(bytes.data() + kCountAt, 8) | kStaleMark);
}

std::uint8_t dense_register(std::string_view bytes, std::uint32_t index) {
  const std::size_t at = kHeaderBytes + std::size_t{index} / 4 * 3;
  const auto four = static_cast<std::uint32_t>(little_endian(bytes.data() + at, 3));
  return static_cast<std::uint8_t>(four >> (kRegisterBits * (index % 4)) & 63);
}

bool raise_dense(std::span<char> bytes, Place place) {
  ensure(bytes.size() == kDenseBytes && place.index < kRegisters, "the dense form has one size");
  if (dense_register({bytes.data(), bytes.size()}, place.index) >= place.rank) return false;
  char* at = bytes.data() + kHeaderBytes + std::size_t{place.index} / 4 * 3;
  const unsigned shift = kRegisterBits * (place.index % 4);
  const auto before = static_cast<std::uint32_t>(little_endian(at, 3));
  const std::uint32_t after = (before & ~(63u << shift)) | std::uint32_t{place.rank} << shift;
  for (std::size_t i = 0; i < 3; ++i) at[i] = static_cast<char>(after >> (8 * i));
  return true;
}

std::string make_empty() {
  std::string bytes(kHeaderBytes, '\0');
  bytes.replace(0, kMagic.size(), kMagic);
  bytes[kFormAt] = static_cast<char>(Form::sparse);
  NewRuns runs;
  runs.add_zeros(kRegisters);
  return bytes.append(runs.view());
}

std::optional<std::string> to_dense(std::string_view sparse) {
  std::string dense(sparse.substr(0, kHeaderBytes));
  dense[kFormAt] = static_cast<char>(Form::dense);
  dense.resize(kDenseBytes);
  const bool is_whole = each_run(sparse, [&](std::size_t index, const Run& run) {
    if (!run.is_of_values()) return;
    for (std::size_t i = 0; i < run.registers; ++i) {
      raise_dense(dense, {static_cast<std::uint32_t>(index + i), run.rank});
    }
  });
  if (!is_whole) return std::nullopt;
  return dense;
}

std::optional<bool> raise(std::string& bytes, Place place, std::size_t most_sparse_bytes) {
  if (form_of(bytes) == Form::dense) return raise_dense(bytes, place);
  return raise_sparse(bytes, place, most_sparse_bytes);
}

}  // namespace larder::storage::hyperloglog
