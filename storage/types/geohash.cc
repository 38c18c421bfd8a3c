#include "storage/types/geohash.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace larder::storage {
namespace {

constexpr double kEarthRadiusM = 6372797.560856;
// Half of the equator, in the metres of the Mercator projection.
constexpr double kMercatorM = 20037726.37;

constexpr double kMostPole = 90;
// The letters' alphabet leaves out a, i, l and o.
constexpr char kLetters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
constexpr std::size_t kLetterCount = 11;

double to_radians(double degrees) {
  return degrees * (std::numbers::pi / 180);
}

double to_degrees(double radians) {
  return radians / (std::numbers::pi / 180);
}

// Every bit moves to twice its place, and back.
std::uint64_t spread(std::uint64_t bits) {
  bits &= 0xffffffff;
  bits = (bits | bits << 16) & 0x0000ffff0000ffff;
  bits = (bits | bits << 8) & 0x00ff00ff00ff00ff;
  bits = (bits | bits << 4) & 0x0f0f0f0f0f0f0f0f;
  bits = (bits | bits << 2) & 0x3333333333333333;
  return (bits | bits << 1) & 0x5555555555555555;
}

std::uint64_t gather(std::uint64_t bits) {
  bits &= 0x5555555555555555;
  bits = (bits | bits >> 1) & 0x3333333333333333;
  bits = (bits | bits >> 2) & 0x0f0f0f0f0f0f0f0f;
  bits = (bits | bits >> 4) & 0x00ff00ff00ff00ff;
  bits = (bits | bits >> 8) & 0x0000ffff0000ffff;
  return (bits | bits >> 16) & 0xffffffff;
}

// A rectangle of a grid that is 2^steps wide and high.
struct Cell {
  std::uint64_t column;  // from the west
  std::uint64_t row;     // from the south
  unsigned steps;

  double west() const { return degrees(column, Geohash::kMostLongitude); }
  double east() const { return degrees(column + 1, Geohash::kMostLongitude); }
  double south() const { return degrees(row, Geohash::kMostLatitude); }
  double north() const { return degrees(row + 1, Geohash::kMostLatitude); }
  std::uint64_t bits() const { return spread(row) | spread(column) << 1; }
  // The cell so many columns and rows away; the grid has no edge. Of a place at the very end, 180
  // degrees east, the column is one too many: that is its score, and it stays unless one moves.
  Cell beside(int columns, int rows) const {
    const std::uint64_t mask = (std::uint64_t{1} << steps) - 1;
    const auto moved = [mask](std::uint64_t from, int by) {
      return by == 0 ? from : (from + static_cast<std::uint64_t>(by)) & mask;
    };
    return {moved(column, columns), moved(row, rows), steps};
  }
  GeoCell scores() const {
    const unsigned unused = 2 * (Geohash::kMostSteps - steps);
    return {bits() << unused, (bits() + 1) << unused};
  }

 private:
  double degrees(std::uint64_t index, double most) const {
    const double share = static_cast<double>(index) /
                         static_cast<double>(std::uint64_t{1} << steps);
    return -most + share * (most - -most);
  }
};

Cell cell_of(const Location& place, unsigned steps, double most_latitude) {
  const auto index = [steps](double degrees, double most) {
    const double share = (degrees - -most) / (most - -most);
    return static_cast<std::uint64_t>(share * static_cast<double>(std::uint64_t{1} << steps));
  };
  return {index(place.longitude, Geohash::kMostLongitude), index(place.latitude, most_latitude),
          steps};
}

Cell cell_of(const Location& place, unsigned steps) {
  return cell_of(place, steps, Geohash::kMostLatitude);
}

// As fine a grid as that nine cells cover so many metres around a place; cells near the poles are
// narrow.
unsigned steps_for(double range_m, double latitude) {
  if (range_m == 0) return Geohash::kMostSteps;
  int steps = 1;
  for (; range_m < kMercatorM; range_m *= 2) ++steps;
  steps -= 2;
  if (std::fabs(latitude) > 66) --steps;
  if (std::fabs(latitude) > 80) --steps;
  return static_cast<unsigned>(std::clamp(steps, 1, static_cast<int>(Geohash::kMostSteps)));
}

struct Bounds {
  double west;
  double south;
  double east;
  double north;
};

// The meridians lie closest where the shape is nearest to its pole.
Bounds bounds_of(const GeoShape& shape) {
  const double height = shape.is_box ? shape.height_m / 2 : shape.radius_m;
  const double width = shape.is_box ? shape.width_m / 2 : shape.radius_m;
  const Location& centre = shape.centre;
  const double up = to_degrees(height / kEarthRadiusM);
  const double edge = centre.latitude < 0 ? centre.latitude - up : centre.latitude + up;
  const double aside = to_degrees(width / kEarthRadiusM / std::cos(to_radians(edge)));
  return {centre.longitude - aside, centre.latitude - up, centre.longitude + aside,
          centre.latitude + up};
}

bool reaches(const Cell& cell, const Bounds& bounds) {
  return cell.beside(0, 1).north() >= bounds.north && cell.beside(0, -1).south() <= bounds.south &&
         cell.beside(1, 0).east() >= bounds.east && cell.beside(-1, 0).west() <= bounds.west;
}

double latitude_distance(double a, double b) {
  return kEarthRadiusM * std::fabs(to_radians(b) - to_radians(a));
}

}  // namespace

bool Geohash::is_valid(const Location& place) {
  return std::fabs(place.longitude) <= kMostLongitude && std::fabs(place.latitude) <= kMostLatitude;
}

std::uint64_t Geohash::of(const Location& place) {
  return cell_of(place, kMostSteps).bits();
}

Location Geohash::place(std::uint64_t bits) {
  const Cell cell{gather(bits >> 1), gather(bits), kMostSteps};
  return {std::clamp((cell.west() + cell.east()) / 2, -kMostLongitude, kMostLongitude),
          std::clamp((cell.south() + cell.north()) / 2, -kMostLatitude, kMostLatitude)};
}

std::string Geohash::letters(const Location& place) {
  const std::uint64_t bits = cell_of(place, kMostSteps, kMostPole).bits();
  std::string text;
  // Ten letters of five bits; for the last two are left, and it is always the first letter.
  for (unsigned i = 1; i < kLetterCount; ++i) {
    text += kLetters[bits >> (2 * kMostSteps - 5 * i) & 31];
  }
  return text + kLetters[0];
}

double Geohash::distance(const Location& a, const Location& b) {
  const double v = std::sin((to_radians(b.longitude) - to_radians(a.longitude)) / 2);
  if (v == 0) return latitude_distance(a.latitude, b.latitude);
  const double from = to_radians(a.latitude);
  const double to = to_radians(b.latitude);
  const double u = std::sin((to - from) / 2);
  const double chord = u * u + std::cos(from) * std::cos(to) * v * v;
  return 2.0 * kEarthRadiusM * std::asin(std::sqrt(chord));
}

std::optional<double> GeoShape::distance_inside(const Location& place) const {
  if (is_box) {
    if (latitude_distance(place.latitude, centre.latitude) > height_m / 2) return std::nullopt;
    const Location beside{centre.longitude, place.latitude};
    if (Geohash::distance(place, beside) > width_m / 2) return std::nullopt;
    return Geohash::distance(centre, place);
  }
  const double metres = Geohash::distance(centre, place);
  return metres > radius_m ? std::nullopt : std::optional(metres);
}

std::vector<GeoCell> cells_around(const GeoShape& shape) {
  const Bounds bounds = bounds_of(shape);
  const double range_m = shape.is_box ? std::sqrt(shape.width_m / 2 * (shape.width_m / 2) +
                                                  shape.height_m / 2 * (shape.height_m / 2))
                                      : shape.radius_m;
  unsigned steps = steps_for(range_m, shape.centre.latitude);
  if (steps > 1 && !reaches(cell_of(shape.centre, steps), bounds)) --steps;
  const Cell middle = cell_of(shape.centre, steps);

  // On a fine grid, what lies wholly beyond the shape's bounds need not be looked at.
  const bool is_fine = steps >= 2;
  const bool skips_west = is_fine && middle.west() < bounds.west;
  const bool skips_east = is_fine && middle.east() > bounds.east;
  const bool skips_south = is_fine && middle.south() < bounds.south;
  const bool skips_north = is_fine && middle.north() > bounds.north;
  constexpr std::array<std::array<int, 2>, 9> kAround{
      {{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}}};
  std::vector<GeoCell> cells;
  for (const auto& [columns, rows] : kAround) {
    if ((columns < 0 && skips_west) || (columns > 0 && skips_east)) continue;
    if ((rows < 0 && skips_south) || (rows > 0 && skips_north)) continue;
    const GeoCell cell = middle.beside(columns, rows).scores();
    const auto is_same = [&](const GeoCell& other) { return other.first == cell.first; };
    // A grid of two columns has the same one on both sides.
    if (std::none_of(cells.begin(), cells.end(), is_same)) cells.push_back(cell);
  }
  return cells;
}

}  // namespace larder::storage
