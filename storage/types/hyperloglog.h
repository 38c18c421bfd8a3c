// HyperLogLog: how many different elements were seen, from 16384 registers of six bits.
//
// An element is hashed. Fourteen bits of the hash choose a register, the number of zeros below the
// lowest one of the rest, plus one, is its rank; a register keeps the highest rank that came its
// way. From how many registers have which rank the number of elements follows, within 0.81 %.
//
// Registers are kept in a plain string, which is Redis's to the byte, so that GET, SET and DUMP
// carry them between servers:
//
//     "HYLL"  form  0 0 0   c c c c c c c c   payload
//             0 dense       the count when it was last asked for, little endian; the highest
//             1 sparse      bit says that registers have changed since
//
//     dense:   12288 bytes: register i is bits 6i ... 6i+5, counted from the lowest of byte 0
//     sparse:  runs of equal registers, in order:
//              00nnnnnn            n+1 registers of 0             (1 ... 64)
//              01nnnnnn nnnnnnnn   n+1 registers of 0             (1 ... 16384)
//              1vvvvvnn            n+1 registers of v+1           (1 ... 4 of 1 ... 32)
//
// A new one is sparse. It becomes dense for good with the first register above 32, or when a run
// has to be split and the string would pass `hll-sparse-max-bytes`.
//
// Strings come from users, so every byte is suspect: what names more or fewer than 16384 registers
// is corrupted, and no run is believed past the end.
//
// Must hold: the same elements in the same order leave the same bytes as Redis does. So a run is
// split where Redis splits it, and afterwards equal neighbours are joined only from the run before
// the split on, and only within five steps.
// Cost: dense: constant for an element, 16384 steps for a count; sparse: one step a run.
// Thread: any; pure functions over bytes that somebody else holds.
// Sources: Flajolet et al., HyperLogLog (2007); Heule et al., HyperLogLog in practice (2013), for
// 64-bit hashes; Ertl, New cardinality estimation algorithms for HyperLogLog sketches (2017), for
// the estimate; Appleby's MurmurHash64A.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace larder::storage::hyperloglog {

inline constexpr unsigned kIndexBits = 14;
inline constexpr std::size_t kRegisters = std::size_t{1} << kIndexBits;
inline constexpr unsigned kRegisterBits = 6;
inline constexpr std::size_t kHeaderBytes = 16;
inline constexpr std::size_t kDenseBytes = kHeaderBytes + kRegisters * kRegisterBits / 8;
// No run is shorter than a register, and none takes more than two bytes.
inline constexpr std::size_t kMostBytes = kHeaderBytes + 2 * kRegisters;

// One register each; where several HyperLogLogs are put together.
using Registers = std::array<std::uint8_t, kRegisters>;

enum class Form : std::uint8_t { dense = 0, sparse = 1 };
std::string_view name_of(Form form);

// Which register an element is for, and the rank it has there.
struct Place {
  std::uint32_t index;
  std::uint8_t rank;
};
Place place_of(std::string_view element);

// The form a string's header tells, or nothing when it is no HyperLogLog. Nothing but the header
// (and the length of the dense form) has been looked at.
std::optional<Form> form_of(std::string_view bytes);

// What follows needs a form. Nothing, or false, stands for a corrupted payload.

// The count that is kept with the registers, unless these have changed since.
std::optional<std::uint64_t> kept_count(std::string_view bytes);
std::optional<std::uint64_t> count(std::string_view bytes);
std::uint64_t count(const Registers& registers);
// Raises registers to those of the string. What a corrupted one has done so far stays.
bool merge_into(Registers& registers, std::string_view bytes);
// The runs of the sparse form as people read them: "Z:100 v:2,1 z:4". Redis's words.
std::optional<std::string> describe(std::string_view bytes);
// The header with a count that was just made, or without one that counts.
using Header = std::array<char, kHeaderBytes>;
Header with_count(std::string_view bytes, std::uint64_t count);
Header with_stale_count(std::string_view bytes);

// One register of the dense form.
std::uint8_t dense_register(std::string_view bytes, std::uint32_t index);
// Raises it; false when it was as high already.
bool raise_dense(std::span<char> bytes, Place place);

// A new one, without any element.
std::string make_empty();
std::optional<std::string> to_dense(std::string_view sparse);
// Raises a register, whichever the form; the sparse one may become dense. False when it was as
// high already, nothing when the string is corrupted. Marks the count as stale where the sparse
// form was changed.
std::optional<bool> raise(std::string& bytes, Place place, std::size_t most_sparse_bytes);

}  // namespace larder::storage::hyperloglog
