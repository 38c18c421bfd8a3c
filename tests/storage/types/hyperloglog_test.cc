#include "storage/types/hyperloglog.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace hll = larder::storage::hyperloglog;
using namespace std::string_literals;

namespace {

constexpr std::size_t kMostSparse = 3000;
const std::string kHeader = "HYLL\x01"s + std::string(10, '\0') + "\x80"s;

hll::Registers registers_of(std::string_view bytes) {
  hll::Registers registers{};
  REQUIRE(hll::merge_into(registers, bytes));
  return registers;
}

void raise_in(hll::Registers& model, hll::Place place) {
  model[place.index] = std::max(model[place.index], place.rank);
}

std::string runs_of(std::string_view bytes) {
  return hll::describe(bytes).value_or("(corrupted)");
}

// Small numbers of registers close together, so that runs are split and joined all the time.
hll::Place near_place(std::mt19937_64& random) {
  return {static_cast<std::uint32_t>(random() % 24 + 100 * (random() % 3)),
          static_cast<std::uint8_t>(1 + random() % 3)};
}

hll::Place any_place(std::mt19937_64& random) {
  const std::string element = std::to_string(random());
  return hll::place_of(element);
}

}  // namespace

TEST_CASE("a new one is sparse and counts nothing") {
  const std::string empty = hll::make_empty();
  CHECK(hll::form_of(empty) == hll::Form::sparse);
  CHECK(empty.size() == 18);
  CHECK(hll::count(empty) == 0);
  CHECK(hll::kept_count(empty) == 0);
  CHECK(runs_of(empty) == "Z:16384");
  CHECK(hll::count(*hll::to_dense(empty)) == 0);
}

TEST_CASE("an element's place is Redis's") {
  // As PFADD and PFDEBUG DECODE of redis-server tell.
  std::string bytes = hll::make_empty();
  CHECK(hll::raise(bytes, hll::place_of("a"), kMostSparse) == true);
  CHECK(runs_of(bytes) == "Z:12711 v:2,1 Z:3672");
  CHECK(hll::raise(bytes, hll::place_of("a"), kMostSparse) == false);
}

TEST_CASE("both forms are a plain array of registers") {
  std::mt19937_64 random(1);
  for (const bool is_near : {true, false}) {
    for (const std::size_t most_sparse :
         {std::size_t{0}, std::size_t{100}, kMostSparse, std::size_t{40'000}}) {
      hll::Registers model{};
      std::string sparse = hll::make_empty();
      std::string dense = *hll::to_dense(sparse);
      for (int i = 0; i < 3000; ++i) {
        const hll::Place place = is_near ? near_place(random) : any_place(random);
        const bool raises = model[place.index] < place.rank;
        raise_in(model, place);
        REQUIRE(hll::raise(sparse, place, most_sparse) == raises);
        REQUIRE(hll::raise(dense, place, most_sparse) == raises);
        REQUIRE(hll::dense_register(dense, place.index) == model[place.index]);
        if (i % 100 != 0) continue;
        REQUIRE(registers_of(sparse) == model);
        REQUIRE(registers_of(dense) == model);
        REQUIRE(hll::count(sparse) == hll::count(model));
        REQUIRE(hll::count(dense) == hll::count(model));
      }
    }
  }
}

TEST_CASE("runs are split and joined as Redis does") {
  const auto after = [](std::string runs, hll::Place place) {
    std::string bytes = kHeader + runs;
    REQUIRE(hll::raise(bytes, place, kMostSparse) == true);
    return runs_of(bytes);
  };
  CHECK(after("\x7f\xff", {0, 1}) == "v:1,1 Z:16383");
  CHECK(after("\x7f\xff", {16383, 1}) == "Z:16383 v:1,1");
  CHECK(after("\x7f\xff", {64, 1}) == "z:64 v:1,1 Z:16319");
  CHECK(after("\x7f\xff", {16383 - 64, 1}) == "Z:16319 v:1,1 z:64");
  // 100 registers of zero, four of three, the rest zeros
  CHECK(after("\x40\x63\x8b\x7f\x97", {100, 4}) == "Z:100 v:4,1 v:3,3 Z:16280");
  CHECK(after("\x40\x63\x8b\x7f\x97", {101, 4}) == "Z:100 v:3,1 v:4,1 v:3,2 Z:16280");
  CHECK(after("\x40\x63\x8b\x7f\x97", {103, 4}) == "Z:100 v:3,3 v:4,1 Z:16280");
  CHECK(after("\x40\x63\x8a\x7f\x98", {103, 3}) == "Z:100 v:3,4 Z:16280");
  CHECK(after("\x40\x63\x8b\x7f\x97", {104, 3}) == "Z:100 v:3,4 v:3,1 Z:16279");
}

TEST_CASE("the sparse form ends with a rank above 32, or when it is too long") {
  std::string bytes = hll::make_empty();
  CHECK(hll::raise(bytes, {5, 32}, kMostSparse) == true);
  CHECK(hll::form_of(bytes) == hll::Form::sparse);
  CHECK(hll::raise(bytes, {5, 33}, kMostSparse) == true);
  CHECK(hll::form_of(bytes) == hll::Form::dense);
  CHECK(bytes.size() == hll::kDenseBytes);
  CHECK(hll::dense_register(bytes, 5) == 33);

  bytes = hll::make_empty();
  CHECK(hll::raise(bytes, {0, 1}, 19) == true);
  CHECK(hll::form_of(bytes) == hll::Form::sparse);
  CHECK(bytes.size() == 19);
  CHECK(hll::raise(bytes, {0, 2}, 19) == true);
  CHECK(hll::form_of(bytes) == hll::Form::sparse);
  CHECK(hll::raise(bytes, {200, 1}, 19) == true);
  CHECK(hll::form_of(bytes) == hll::Form::dense);
}

TEST_CASE("the estimate is near, from nothing to many") {
  hll::Registers registers{};
  std::uint64_t next = 1;
  for (std::uint64_t i = 1; i <= 300'000; ++i) {
    raise_in(registers, hll::place_of("element " + std::to_string(i)));
    if (i != next) continue;
    next = next * 3 / 2 + 1;
    const auto count = static_cast<double>(hll::count(registers));
    const auto exact = static_cast<double>(i);
    CHECK_MESSAGE(std::abs(count - exact) <= std::max(2.0, exact * 0.035), i);
  }
  registers.fill(51);
  CHECK(hll::count(registers) > 0);
  registers.fill(63);  // what no element makes
  CHECK(hll::count(registers) > 0);
}

TEST_CASE("the kept count goes with the header and its mark") {
  std::string bytes = hll::make_empty();
  const auto put = [&](const hll::Header& header) {
    bytes.replace(0, header.size(), header.data(), header.size());
  };
  put(hll::with_count(bytes, 0x0102030405060708));
  CHECK(hll::kept_count(bytes) == 0x0102030405060708);
  CHECK(bytes.substr(8, 8) == "\x08\x07\x06\x05\x04\x03\x02\x01");
  put(hll::with_stale_count(bytes));
  CHECK(hll::kept_count(bytes) == std::nullopt);
  CHECK(bytes.substr(8, 8) == "\x08\x07\x06\x05\x04\x03\x02\x81");
  put(hll::with_count(bytes, 7));
  CHECK(hll::kept_count(bytes) == 7);
  CHECK(hll::raise(bytes, {1, 1}, kMostSparse) == true);
  CHECK(hll::kept_count(bytes) == std::nullopt);
}

TEST_CASE("what is none has no form") {
  CHECK(!hll::form_of(""));
  CHECK(!hll::form_of("HYLL"));
  CHECK(!hll::form_of(kHeader.substr(0, 15)));
  CHECK(hll::form_of(kHeader) == hll::Form::sparse);
  CHECK(!hll::form_of("HYLM" + kHeader.substr(4)));
  CHECK(!hll::form_of("HYLL\x02" + kHeader.substr(5)));
  const std::string dense = *hll::to_dense(hll::make_empty());
  CHECK(hll::form_of(dense) == hll::Form::dense);
  CHECK(!hll::form_of(dense + "x"));
  CHECK(!hll::form_of(dense.substr(1)));
}

TEST_CASE("runs that are not those of 16384 registers are corrupted") {
  for (const std::string& runs :
       {""s, "\x7f"s, "\x7f\xfe"s, "\x7f\xff\x00"s, "\x80\x7f\xff"s, "\x7f\xfe\x80\x80"s,
        "\x7f\xfe\x40"s, "\x7f\xff\x7f\xff"s, std::string(300, '\x3f')}) {
    const std::string bytes = kHeader + runs;
    hll::Registers registers{};
    CHECK(!hll::count(bytes));
    CHECK(!hll::merge_into(registers, bytes));
    CHECK(!hll::to_dense(bytes));
    CHECK(!hll::describe(bytes));
  }
  std::string bytes = kHeader + "\x7f\xfe";
  CHECK(hll::raise(bytes, {16383, 1}, kMostSparse) == std::nullopt);
  CHECK(hll::raise(bytes, {0, 33}, kMostSparse) == std::nullopt);
  CHECK(hll::raise(bytes, {0, 1}, 10) == std::nullopt);
  CHECK(bytes == kHeader + "\x7f\xfe");
  bytes = kHeader + std::string(40'000, '\0');
  CHECK(hll::raise(bytes, {0, 1}, 100'000) == std::nullopt);
}
