#include "storage/types/geohash.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace larder::storage {
namespace {

Location any_place(std::mt19937_64& chance) {
  std::uniform_real_distribution<double> longitude(-180, 180);
  std::uniform_real_distribution<double> latitude(-85.05, 85.05);
  return {longitude(chance), latitude(chance)};
}

bool is_covered(const std::vector<GeoCell>& cells, std::uint64_t bits) {
  return std::any_of(cells.begin(), cells.end(),
                     [bits](const GeoCell& cell) { return bits >= cell.first && bits < cell.end; });
}

TEST_CASE("a geohash names a place to less than a metre") {
  std::mt19937_64 chance(1);
  for (int i = 0; i < 10'000; ++i) {
    const Location place = any_place(chance);
    const std::uint64_t bits = Geohash::of(place);
    REQUIRE(bits < std::uint64_t{1} << 52);
    const Location back = Geohash::place(bits);
    REQUIRE(Geohash::distance(place, back) < 0.5);
    REQUIRE(Geohash::of(back) == bits);
  }
}

TEST_CASE("geohashes, letters and distances are those the world knows") {
  const Location palermo{13.361389, 38.115556};
  const Location catania{15.087269, 37.502669};
  CHECK(Geohash::of(palermo) == 3479099956230698);
  CHECK(Geohash::of(catania) == 3479447370796909);
  CHECK(Geohash::letters(palermo) == "sqc8b49rny0");
  CHECK(Geohash::letters(catania) == "sqdtr74hyu0");
  CHECK(Geohash::distance(palermo, catania) == doctest::Approx(166274.15).epsilon(1e-5));
  CHECK(Geohash::distance(palermo, palermo) == 0);
  CHECK_FALSE(Geohash::is_valid({180.1, 0}));
  CHECK_FALSE(Geohash::is_valid({0, -85.06}));
  CHECK(Geohash::is_valid({-180, 85.05112878}));
}

TEST_CASE("what is inside a shape lies in its cells, none of which comes twice") {
  std::mt19937_64 chance(2);
  std::uniform_real_distribution<double> spread(-1, 1);
  std::size_t inside = 0;
  for (int i = 0; i < 3000; ++i) {
    GeoShape shape{.centre = any_place(chance)};
    // Where meridians bend little; at the poles a search is as good as its cells.
    shape.centre.latitude *= 0.7;
    shape.centre.longitude *= 0.9;
    const double size = std::pow(10, 1 + static_cast<double>(chance() % 450) / 100);
    shape.is_box = i % 2 == 0;
    shape.radius_m = size;
    shape.width_m = size * 2;
    shape.height_m = size;
    const std::vector<GeoCell> cells = cells_around(shape);
    REQUIRE(!cells.empty());
    REQUIRE(cells.size() <= 9);
    for (std::size_t a = 0; a < cells.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b) REQUIRE(cells[a].first != cells[b].first);
    }
    for (int j = 0; j < 20; ++j) {
      const double degrees = size / 90'000;
      const Location place{shape.centre.longitude + spread(chance) * degrees,
                           shape.centre.latitude + spread(chance) * degrees};
      if (!Geohash::is_valid(place) || !shape.distance_inside(place)) continue;
      ++inside;
      CHECK(is_covered(cells, Geohash::of(place)));
    }
  }
  CHECK(inside > 10'000);
}

}  // namespace
}  // namespace larder::storage
