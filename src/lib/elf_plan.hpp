// SPDX-License-Identifier: MIT
// From an ELF file and argument words to the plan that `spawn` takes: the one loader, used by the
// kernel for the first process and by user space for all others.
//
// Where things go. Guard and lower stack are one entry each, a level above pages; what a small
// program touches stands in one page-table page. The argument block at the stack's top is filled
// in.
//
//   0x40000000  guard    2 MiB      never accessible: a stack that overflows ends here
//   0x40200000  stack    2 MiB      for deep stacks
//   0x40400000           64 KiB     the stack of most programs
//   0x40410000  clock    1 page     the kernel's: abi/clock_page.hpp
//   0x40411000  program             position-independent ones; segments as the file says
//
// A program with fixed addresses has the same below it if there is room, else above it.
//
// The argument block, at the top of the first stack. rdi and rsp point at it, 16-byte aligned; rsi
// at the clock page:
//
//   | count | address of word 0 | ... | address of word n-1 | 0 | word 0 \0 word 1 \0 ... | zeros |
#pragma once

#include "abi/types.hpp"
#include "lib/bytes.hpp"
#include "lib/elf.hpp"

#include <array>
#include <span>
#include <string_view>

namespace lib {

inline constexpr std::uint64_t program_base = 0x4041'1000;
inline constexpr std::uint64_t program_stack_bytes = (2 << 20) + (64 << 10);
inline constexpr std::uint64_t program_guard_bytes = 2 << 20;
/// The argument block's largest size: addresses, words and their zeros.
inline constexpr std::size_t argument_block_limit = 4096;

/// What a program is started with.
struct ProgramRequest {
    std::string_view name; ///< cut to abi::name_limit - 1
    Bytes file;            ///< the ELF file; `spawn` copies from it, so it stays until then
    /// The memory object that holds the file, if it does, and where the file begins in it: whole
    /// pages of it are mapped, and not copied, where that is on a page boundary.
    abi::Handle object = abi::no_handle;
    std::uint64_t object_offset = 0;
    std::span<const std::string_view> arguments{};   ///< by custom the first is the name
    std::span<const abi::Handle> handles{};          ///< for the new process, in order
    std::uint64_t stack_bytes = program_stack_bytes; ///< a multiple of the page size
    unsigned priority = abi::priority_default;
};

/// Everything that `spawn` reads, the file itself aside. Its parts refer to each other by address,
/// so it stays where it is until `spawn` returned.
struct ProgramPlan {
    static constexpr std::size_t segment_limit = abi::plan_segment_limit;

    abi::SpawnPlan plan{};
    std::array<abi::PlanSegment, segment_limit> segments{};
    std::array<std::byte, argument_block_limit> argument_block{};
    ElfError reason = ElfError::none; ///< why the file was refused

    ProgramPlan() = default;
    ProgramPlan(const ProgramPlan&) = delete;
    ProgramPlan& operator=(const ProgramPlan&) = delete;
};
static_assert(ElfImage::max_segments + 2 <= ProgramPlan::segment_limit);

/// Fills `out` for the request. Errors: that of the ELF file (`out.reason` says which); too_large
/// (the arguments don't fit their block); limit_reached (too many handles); invalid_argument (the
/// stack's size); no_space (no room for the stack).
Result<void> plan_program(const ProgramRequest& request, ProgramPlan& out);

} // namespace lib
