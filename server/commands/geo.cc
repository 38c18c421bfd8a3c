// Places: sorted sets whose scores are geohashes (storage/types/geohash.h), so that every command
// on sorted sets works on them too.
//
// The searches are one function. GEORADIUS and its kin, which Redis calls deprecated, say the same
// as GEOSEARCH in other words; what may be said, and in which order it is judged, differs
// (read_search). What is found comes in the order of the cells that were looked at unless it is
// sorted, as in Redis.
//
// A search is one visit; one that stores collects first, with both keys held. Thread: loop.
#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "protocol/numbers.h"
#include "server/commands/zsets.h"
#include "server/engine/families.h"
#include "storage/types/geohash.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::GeoCell;
using storage::Geohash;
using storage::GeoShape;
using storage::Keyspace;
using storage::Location;
using storage::Scored;
using storage::Slot;
using storage::Value;
using storage::ZsetView;

struct Unit {
  std::string_view word;
  double metres;
};
constexpr Unit kUnits[] = {{"M", 1}, {"KM", 1000}, {"FT", 0.3048}, {"MI", 1609.34}};

// In metres.
double read_unit(Args& args) {
  for (const Unit& unit : kUnits) {
    if (args.eat(unit.word)) return unit.metres;
  }
  args.fail(errors::geo_unit);
  return 1;
}

Location read_location(Args& args) {
  const double longitude = args.number();
  const double latitude = args.number();
  const Location place{longitude, latitude};
  if (!args.failed() && !Geohash::is_valid(place)) {
    args.fail(errors::geo_invalid_place(longitude, latitude));
  }
  return place;
}

// ZADD may have given it any score.
Location location_of(double score) {
  constexpr double kEnd = 0x1p63;
  return Geohash::place(score >= 0 && score < kEnd ? static_cast<std::uint64_t>(score) : 0);
}

std::optional<Location> location_of(const ZsetView& view, std::string_view member) {
  const auto score = view.score(member);
  return score ? std::optional(location_of(*score)) : std::nullopt;
}

void say_distance(Reply& reply, double distance) {
  char text[64];
  const int size = std::snprintf(text, sizeof text, "%.4f", distance);
  reply.bulk({text, static_cast<std::size_t>(size)});
}

// With up to 17 decimals, as Redis spells these and no others.
void say_coordinate(Call& call, double degrees) {
  if (call.client.protocol > 2) return call.reply.number(degrees);
  call.reply.bulk(protocol::long_double_text(degrees));
}

void say_location(Call& call, const Location& place) {
  call.reply.array(2);
  say_coordinate(call, place.longitude);
  say_coordinate(call, place.latitude);
}

// GEOADD key [NX|XX] [CH] longitude latitude member [longitude latitude member ...]
void geoadd(Call& call) {
  Args args = call.args_from(2);
  AddOptions options;
  while (options.eat(args)) {
  }
  if (args.left() % 3 != 0 || args.left() == 0 || (options.only_new && options.only_there)) {
    return call.reply.error(errors::syntax);
  }
  std::vector<NewMember> members;
  while (args.more()) {
    const Location place = read_location(args);
    if (args.failed()) break;
    members.push_back({args.take(), static_cast<double>(Geohash::of(place))});
  }
  if (!args.finish()) return call.reply.error(args.problem());
  add_members(call, options, members);
}

// For each member named: say(location), or absent() where it is not there.
template <class Say, class Absent>
void say_each_location(Call& call, Say&& say, Absent&& absent) {
  const Words members = call.words.subspan(2);
  const auto none = [&] {
    call.reply.array(members.size());
    for (std::size_t i = 0; i < members.size(); ++i) absent();
  };
  read_zset(call, none, [&](const ZsetView& view) {
    call.reply.array(members.size());
    for (const std::string_view member : members) {
      const auto place = location_of(view, member);
      place ? say(*place) : absent();
    }
  });
}

void geopos(Call& call) {
  say_each_location(
      call, [&](const Location& place) { say_location(call, place); },
      [&] { call.reply.null_array(); });
}

void geohash(Call& call) {
  say_each_location(
      call, [&](const Location& place) { call.reply.bulk(Geohash::letters(place)); },
      [&] { call.reply.null(); });
}

// GEODIST key member1 member2 [M|KM|FT|MI]
void geodist(Call& call) {
  Args args = call.args_from(4);
  double unit_m = 1;
  if (args.left() > 1) args.fail(errors::syntax);
  if (args.more()) unit_m = read_unit(args);
  if (!args.finish()) return call.reply.error(args.problem());
  const auto absent = [&] { call.reply.null(); };
  read_zset(call, absent, [&](const ZsetView& view) {
    const auto from = location_of(view, call.word(2));
    const auto to = location_of(view, call.word(3));
    if (!from || !to) return absent();
    say_distance(call.reply, Geohash::distance(*from, *to) / unit_m);
  });
}

// --- searching

enum class Order : std::uint8_t { none, nearest_first, farthest_first };

struct Search {
  GeoShape shape;
  double unit_m = 1;
  bool has_place = false;   // the centre is a place
  bool has_member = false;  // the centre is a member
  bool has_shape = false;
  bool says_distance = false;
  bool says_hash = false;
  bool says_place = false;
  bool is_any = false;
  std::size_t most = 0;  // 0: all
  Order order = Order::none;
  std::optional<std::string_view> target;  // where to store
  bool stores_distance = false;
};

// What a row says of its command.
struct Form {
  enum class Words : std::uint8_t { search, around_place, around_member };
  Words words;
  bool may_store = false;  // of those around something; GEOSEARCHSTORE always does
};

struct Hit {
  std::string member;
  double score;
  double metres;
  Location place;
};

void read_radius(Args& args, Search& search) {
  search.shape.radius_m = args.number(errors::geo_radius);
  if (search.shape.radius_m < 0) args.fail(errors::geo_radius_negative);
  search.unit_m = args.failed() ? 1 : read_unit(args);
  search.shape.radius_m *= search.unit_m;
  search.has_shape = true;
}

void read_box(Args& args, Search& search) {
  search.shape.is_box = true;
  search.shape.width_m = args.number(errors::geo_width);
  search.shape.height_m = args.failed() ? 0 : args.number(errors::geo_height);
  if (search.shape.width_m < 0 || search.shape.height_m < 0) args.fail(errors::geo_box_negative);
  search.unit_m = args.failed() ? 1 : read_unit(args);
  search.shape.width_m *= search.unit_m;
  search.shape.height_m *= search.unit_m;
  search.has_shape = true;
}

// The member a search is around; nothing is asked of it where there is no key.
void read_member(Args& args, const ZsetView* view, Search& search) {
  const std::string_view member = args.take();
  search.has_member = true;
  if (view == nullptr) return;
  const auto place = location_of(*view, member);
  if (!place) return args.fail(errors::geo_no_member);
  search.shape.centre = *place;
}

void read_count(Args& args, Search& search) {
  const std::int64_t count = args.integer();
  if (args.failed()) return;
  if (count <= 0) return args.fail(errors::geo_count);
  search.most = static_cast<std::size_t>(count);
}

// Options that all searches have.
bool eat_option(Args& args, Search& search) {
  if (args.eat("WITHDIST")) return search.says_distance = true;
  if (args.eat("WITHHASH")) return search.says_hash = true;
  if (args.eat("WITHCOORD")) return search.says_place = true;
  if (args.eat("ANY")) return search.is_any = true;
  if (args.eat("ASC")) return search.order = Order::nearest_first, true;
  if (args.eat("DESC")) return search.order = Order::farthest_first, true;
  if (args.left() < 2 || !args.eat("COUNT")) return false;
  read_count(args, search);
  return true;
}

// Those of GEORADIUS and GEORADIUSBYMEMBER.
bool eat_target(Args& args, Search& search) {
  if (args.left() < 2) return false;
  if (!args.eat("STORE")) {
    if (!args.eat("STOREDIST")) return false;
    search.stores_distance = true;
  } else {
    search.stores_distance = false;
  }
  search.target = args.take();
  return true;
}

// Those of GEOSEARCH: one centre, one shape.
bool eat_shape(Args& args, const ZsetView* view, Search& search) {
  const bool has_circle = search.has_shape && !search.shape.is_box;
  if (!search.has_place && args.left() >= 2 && args.eat("FROMMEMBER")) {
    read_member(args, view, search);
  } else if (!search.has_member && args.left() >= 3 && args.eat("FROMLONLAT")) {
    search.shape.centre = read_location(args);
    search.has_place = true;
  } else if (!search.shape.is_box && args.left() >= 3 && args.eat("BYRADIUS")) {
    read_radius(args, search);
  } else if (!has_circle && args.left() >= 4 && args.eat("BYBOX")) {
    read_box(args, search);
  } else {
    return false;
  }
  return true;
}

void read_options(Args& args, const ZsetView* view, const Form& form, Search& search) {
  const bool is_search = form.words == Form::Words::search;
  while (args.more()) {
    if (eat_option(args, search)) continue;
    if (is_search && eat_shape(args, view, search)) continue;
    if (is_search && form.may_store && args.eat("STOREDIST")) {
      search.stores_distance = true;
    } else if (is_search || !form.may_store || !eat_target(args, search)) {
      args.fail(errors::syntax);
    }
  }
}

// What must hold of all options together.
void judge(Args& args, const Call& call, const Form& form, const Search& search) {
  const bool is_search = form.words == Form::Words::search;
  if (search.target && (search.says_distance || search.says_hash || search.says_place)) {
    args.fail(
        errors::geo_store_and_with(is_search ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS"));
  }
  if (is_search && !search.has_place && !search.has_member)
    args.fail(errors::geo_one_centre(call.word(0)));
  if (is_search && !search.has_shape) args.fail(errors::geo_one_shape(call.word(0)));
  if (search.is_any && search.most == 0) args.fail(errors::geo_any_and_count);
}

// The whole request. `view`: the sorted set that is searched, or null.
Search read_search(Args& args, const Call& call, const ZsetView* view, const Form& form) {
  Search search;
  if (form.words == Form::Words::search) {
    if (form.may_store) search.target = call.word(1);
  } else {
    if (form.words == Form::Words::around_place) {
      search.shape.centre = read_location(args);
    } else {
      read_member(args, view, search);
    }
    // Redis does not look at the radius around a member of no key.
    if (view == nullptr && form.words == Form::Words::around_member) {
      args.take_words(2);
    } else if (!args.failed()) {
      read_radius(args, search);
    }
  }
  read_options(args, view, form, search);
  judge(args, call, form, search);
  if (search.most != 0 && search.order == Order::none && !search.is_any) {
    search.order = Order::nearest_first;
  }
  return search;
}

std::vector<Hit> find_hits(const ZsetView& view, const Search& search) {
  std::vector<Hit> hits;
  for (const GeoCell& cell : storage::cells_around(search.shape)) {
    const auto ranks = view.ranks(storage::ScoreRange{static_cast<double>(cell.first),
                                                      static_cast<double>(cell.end), false, true});
    view.each(ranks, false, [&](const Bytes& member, double score) {
      if (search.is_any && hits.size() >= search.most) return;
      const Location place = location_of(score);
      const auto metres = search.shape.distance_inside(place);
      if (metres) hits.push_back({member.to_string(), score, *metres, place});
    });
  }
  if (search.order != Order::none) {
    const bool is_reversed = search.order == Order::farthest_first;
    std::stable_sort(hits.begin(), hits.end(), [is_reversed](const Hit& a, const Hit& b) {
      return is_reversed ? a.metres > b.metres : a.metres < b.metres;
    });
  }
  if (search.most != 0 && hits.size() > search.most) hits.resize(search.most);
  return hits;
}

void say_hits(Call& call, const Search& search, const std::vector<Hit>& hits) {
  const std::size_t parts = std::size_t{1} + search.says_distance + search.says_hash +
                            search.says_place;
  call.reply.array(hits.size());
  for (const Hit& hit : hits) {
    if (parts > 1) call.reply.array(parts);
    call.reply.bulk(hit.member);
    if (search.says_distance) say_distance(call.reply, hit.metres / search.unit_m);
    if (search.says_hash) call.reply.integer(static_cast<std::int64_t>(hit.score));
    if (search.says_place) say_location(call, hit.place);
  }
}

std::vector<Scored> to_store(const Search& search, std::vector<Hit>& hits) {
  std::vector<Scored> members;
  members.reserve(hits.size());
  for (Hit& hit : hits) {
    const double score = search.stores_distance ? hit.metres / search.unit_m : hit.score;
    members.push_back({std::move(hit.member), score});
  }
  std::sort(members.begin(), members.end());
  return members;
}

// All searches: `from` is the key that is searched, the words behind it say how. Who may store
// holds the target too, which is looked for before the words are judged.
void search(Call& call, const Form& form, std::size_t from, std::string_view event = {}) {
  const Key source = call.key(from);
  std::vector<Key> held{source};
  if (form.may_store) {
    // The target is one of the words: the second, or the last behind STORE.
    for (std::size_t i = 1; i < call.words.size(); ++i) {
      const bool is_named = form.words == Form::Words::search
                                ? i == 1
                                : i > 4 && (protocol::same_word(call.word(i - 1), "STORE") ||
                                            protocol::same_word(call.word(i - 1), "STOREDIST"));
      if (is_named) held.push_back(call.key(i));
    }
  }
  Keyspace::Several several(call.keys, held);
  std::optional<Search> wanted;
  std::vector<Hit> hits;
  several->read(source, [&](const Value* value) {
    if (is_other_type(value, storage::Type::zset)) return call.reply.error(errors::wrong_type);
    std::optional<ZsetView> view;
    if (value != nullptr) view.emplace(*value);
    Args args = call.args_from(from + 1);
    wanted = read_search(args, call, view ? &*view : nullptr, form);
    if (!args.finish()) {
      wanted.reset();
      return call.reply.error(args.problem());
    }
    if (view) hits = find_hits(*view, *wanted);
  });
  if (!wanted) return;
  if (!wanted->target) return say_hits(call, *wanted, hits);
  several->update(call.keys.key(*wanted->target),
                  [&](Slot& slot) { store_members(call, slot, to_store(*wanted, hits), event); });
}

void georadius(Call& call) {
  search(call, {Form::Words::around_place, true}, 1, "georadiusstore");
}

void georadius_ro(Call& call) {
  search(call, {Form::Words::around_place}, 1);
}

void georadiusbymember(Call& call) {
  search(call, {Form::Words::around_member, true}, 1, "georadiusstore");
}

void georadiusbymember_ro(Call& call) {
  search(call, {Form::Words::around_member}, 1);
}

void geosearch(Call& call) {
  search(call, {Form::Words::search}, 1);
}

void geosearchstore(Call& call) {
  search(call, {Form::Words::search, true}, 2, "geosearchstore");
}

using enum Flag;

constexpr std::string_view kSearchCost =
    "O(N+log M) where N is the number of members in the cells around the shape and M that of "
    "members inside it";

// Where GEORADIUS and GEORADIUSBYMEMBER put the result: the words behind STORE and STOREDIST, of
// which the last one counts.
std::vector<std::size_t> targets_of_radius(Words words) {
  std::vector<std::size_t> targets;
  for (std::size_t i = 5; i + 1 < words.size(); ++i) {
    const bool is_named = protocol::same_word(words[i], "STORE") ||
                          protocol::same_word(words[i], "STOREDIST");
    if (is_named) targets.push_back(++i);
  }
  return targets;
}

constexpr Command table[] = {
    {.name = "GEOADD",
     .arity = at_least(5),
     .keys = first_key(),
     .flags = writes | may_grow,
     .run = geoadd,
     .summary = "Add members at places, or move them",
     .since = "3.2.0",
     .syntax = "key [NX|XX] [CH] longitude:double latitude:double member "
               "[longitude:double latitude:double member ...]",
     .complexity = "O(log N) for each member",
     .access = Access::rw | Access::update},
    {.name = "GEOPOS",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = reads,
     .run = geopos,
     .summary = "The longitudes and latitudes of members",
     .since = "3.2.0",
     .syntax = "key [member [member ...]]",
     .complexity = "O(1) for each member"},
    {.name = "GEODIST",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = reads,
     .run = geodist,
     .summary = "The distance between two members",
     .since = "3.2.0",
     .syntax = "key member1 member2 [M|KM|FT|MI]",
     .complexity = "O(1)"},
    {.name = "GEOHASH",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = reads,
     .run = geohash,
     .summary = "The places of members as the letters of geohash.org",
     .since = "3.2.0",
     .syntax = "key [member [member ...]]",
     .complexity = "O(1) for each member"},
    {.name = "GEOSEARCH",
     .arity = at_least(7),
     .keys = first_key(),
     .flags = reads,
     .run = geosearch,
     .summary = "The members inside a circle or a box",
     .since = "6.2.0",
     .syntax =
         "key <FROMMEMBER member|FROMLONLAT longitude:double latitude:double> "
         "<BYRADIUS radius:double <M|KM|FT|MI>|BYBOX width:double height:double <M|KM|FT|MI>> "
         "[ASC|DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
     .complexity = kSearchCost},
    {.name = "GEOSEARCHSTORE",
     .arity = at_least(8),
     .keys = two_keys(),
     .flags = writes | may_grow,
     .run = geosearchstore,
     .summary = "Store the members inside a circle or a box",
     .since = "6.2.0",
     .syntax =
         "destination source <FROMMEMBER member|FROMLONLAT longitude:double latitude:double> "
         "<BYRADIUS radius:double <M|KM|FT|MI>|BYBOX width:double height:double <M|KM|FT|MI>> "
         "[ASC|DESC] [COUNT count [ANY]] [STOREDIST]",
     .complexity = kSearchCost,
     .access = Access::ow | Access::update,
     .second_access = Access::ro | Access::access},
    // Which key they store under no position tells: so they count as looking at any.
    {.name = "GEORADIUS",
     .arity = at_least(6),
     .keys = first_key(),
     .flags = writes | may_grow | all_keys,
     .run = georadius,
     .summary = "The members around a place, told or stored",
     .since = "3.2.0",
     .syntax = "key longitude:double latitude:double radius:double <M|KM|FT|MI> "
               "[WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC] "
               "[STORE key|STOREDIST key]",
     .complexity = kSearchCost,
     .access = Access::ro | Access::access,
     .targets = targets_of_radius},
    {.name = "GEORADIUS_RO",
     .arity = at_least(6),
     .keys = first_key(),
     .flags = reads,
     .run = georadius_ro,
     .summary = "The members around a place",
     .since = "3.2.10",
     .syntax = "key longitude:double latitude:double radius:double <M|KM|FT|MI> "
               "[WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC]",
     .complexity = kSearchCost},
    {.name = "GEORADIUSBYMEMBER",
     .arity = at_least(5),
     .keys = first_key(),
     .flags = writes | may_grow | all_keys,
     .run = georadiusbymember,
     .summary = "The members around another one, told or stored",
     .since = "3.2.0",
     .syntax = "key member radius:double <M|KM|FT|MI> "
               "[WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC] "
               "[STORE key|STOREDIST key]",
     .complexity = kSearchCost,
     .access = Access::ro | Access::access,
     .targets = targets_of_radius},
    {.name = "GEORADIUSBYMEMBER_RO",
     .arity = at_least(5),
     .keys = first_key(),
     .flags = reads,
     .run = georadiusbymember_ro,
     .summary = "The members around another one",
     .since = "3.2.10",
     .syntax = "key member radius:double <M|KM|FT|MI> "
               "[WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC]",
     .complexity = kSearchCost},
};

}  // namespace

const Family geo{"geo", table};

}  // namespace larder::server
