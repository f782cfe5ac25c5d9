// SPDX-License-Identifier: MIT
// Reads ELF64 executables for x86-64 (System V gABI chapters 4 and 5) into what a plan needs.
// The file is not trusted: everything is checked, nothing is allocated.
#pragma once

#include "abi/error.hpp"
#include "lib/bytes.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace lib {

/// Why a file is not a program that Tabula can run.
#define TABULA_ELF_ERRORS(X)                                                                       \
    X(none, "no error")                                                                            \
    X(truncated_header, "the file ends inside the ELF header")                                     \
    X(bad_magic, "not an ELF file")                                                                \
    X(not_64_bit, "not a 64-bit ELF file")                                                         \
    X(not_little_endian, "not a little-endian ELF file")                                           \
    X(bad_version, "unknown ELF version")                                                          \
    X(wrong_machine, "not for x86-64")                                                             \
    X(not_executable, "not an executable (ET_EXEC or ET_DYN)")                                     \
    X(bad_header_size, "wrong size of the ELF header or a program header")                         \
    X(truncated_program_headers, "the program headers lie outside the file")                       \
    X(needs_interpreter, "dynamically linked: there is no interpreter (PT_INTERP)")                \
    X(executable_stack, "asks for an executable stack")                                            \
    X(no_segments, "nothing to load")                                                              \
    X(too_many_segments, "too many segments")                                                      \
    X(file_larger_than_memory, "a segment has more bytes in the file than in memory")              \
    X(truncated_segment, "a segment lies outside the file")                                        \
    X(bad_alignment, "a segment's alignment is not a power of two")                                \
    X(misaligned_segment, "a segment's address and offset differ within the page")                 \
    X(segment_overflow, "a segment's end overflows")                                               \
    X(outside_user_half, "a segment lies outside the user half, or in its first page")             \
    X(writable_and_executable, "a segment is writable and executable")                             \
    X(segments_out_of_order, "the segments are not in ascending order")                            \
    X(overlapping_segments, "segments overlap, or share a page with different access")             \
    X(entry_not_executable, "the entry address is not in an executable segment")

enum class ElfError : std::uint8_t {
#define TABULA_ELF_ENUMERATOR(name, words) name,
    TABULA_ELF_ERRORS(TABULA_ELF_ENUMERATOR)
#undef TABULA_ELF_ENUMERATOR
};

/// The reason in words.
const char* describe(ElfError error);
/// The system-wide error for a reason that is not `none`.
Error error_of(ElfError error);

/// A part of the file to be mapped, followed by zeros. Addresses of a position-independent program
/// count from its load base.
struct ElfSegment {
    std::uint64_t file_offset = 0; // equal to `address` modulo the page size when file_bytes != 0
    std::uint64_t file_bytes = 0;
    std::uint64_t address = 0;
    std::uint64_t memory_bytes = 0; // not 0, at least file_bytes
    bool read = false;
    bool write = false; // never together with execute
    bool execute = false;
    constexpr std::uint64_t end() const { return address + memory_bytes; }
};

struct ElfImage {
    static constexpr std::size_t max_segments = 16;

    std::array<ElfSegment, max_segments> storage{};
    std::size_t segment_count = 0;
    std::uint64_t entry = 0;
    bool position_independent = false;
    std::uint64_t alignment = 0;  // of the load base; a power of two, at least a page
    std::uint64_t span_start = 0; // whole pages around all segments: [span_start, span_end)
    std::uint64_t span_end = 0;
    std::uint64_t program_headers = 0; // their address in memory; 0 when no segment holds them
    std::uint16_t program_header_count = 0;

    /// In ascending order of address, disjoint. Two neighbours may share a page only when their
    /// access is equal; that page then holds bytes of both.
    constexpr std::span<const ElfSegment> segments() const {
        return {storage.data(), segment_count};
    }
};

/// The end of the addresses a program may use: the last page below the non-canonical hole stays
/// empty, so that no return address after `syscall` is non-canonical (SDM vol. 2, SYSRET).
inline constexpr std::uint64_t elf_user_end = 0x0000'7FFF'FFFF'F000;

/// Reads `file` into `image`, which is meaningful only when the result is ElfError::none.
/// Relocations are left to the program's own start-up code.
[[nodiscard]] ElfError read_elf(Bytes file, ElfImage& image);

} // namespace lib
