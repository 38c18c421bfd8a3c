// Geohashes: a place on earth as one number, so that a sorted set can hold places as scores.
//
// Longitude and latitude are halved 26 times each, and the 52 decisions interleaved (latitude in
// the even bits): nearby places mostly share a prefix, and a prefix is a rectangle. So a search
// looks at the rectangle around its centre and the eight beside it, each a range of scores, of such
// a size that they cover what is searched; and then measures the distance of what is found there.
//
// 52 bits are what a double holds exactly. Latitudes end at those of the Mercator square.
// Cost: constant. Thread: any; there is no state.
// Sources: G. M. Morton, A computer oriented geodetic data base, 1966; G. Niemeyer, geohash.org;
// R. W. Sinnott, Virtues of the haversine, Sky and Telescope 68, 1984.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace larder::storage {

struct Location {
  double longitude;
  double latitude;
};

class Geohash {
 public:
  static constexpr double kMostLongitude = 180;
  static constexpr double kMostLatitude = 85.05112878;
  static constexpr unsigned kMostSteps = 26;

  static bool is_valid(const Location& place);
  static std::uint64_t of(const Location& place);
  // The middle of the smallest rectangle.
  static Location place(std::uint64_t bits);
  // The eleven letters of geohash.org, whose latitudes go to the poles.
  static std::string letters(const Location& place);
  // Along the great circle, in metres.
  static double distance(const Location& a, const Location& b);
};

// What is searched: a circle, or a rectangle along the meridians.
struct GeoShape {
  Location centre;
  bool is_box = false;
  double radius_m = 0;
  double width_m = 0;
  double height_m = 0;

  // The distance of a place from the centre, if it is inside.
  std::optional<double> distance_inside(const Location& place) const;
};

// The scores from `first` to below `end`.
struct GeoCell {
  std::uint64_t first;
  std::uint64_t end;
};

// Cells that together cover a shape; the one in the middle first, none twice.
std::vector<GeoCell> cells_around(const GeoShape& shape);

}  // namespace larder::storage
