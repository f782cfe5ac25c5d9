// SPDX-License-Identifier: MIT
// What a thread finds on its upcall stack when the kernel hands it a fault of its own.
#pragma once

#include "abi/types.hpp"

#include <cstddef>
#include <cstdint>

namespace abi {

/// Why the kernel calls up. RIP is that of the instruction, which has not happened, but where it
/// says *behind*.
enum class UpcallCause : std::uint8_t {
    hole,           ///< page fault: nothing is mapped there
    forbidden,      ///< page fault: mapped, but not for this access
    no_memory,      ///< page fault: uncharged memory (map_noreserve), and none left
    over_limit,     ///< page fault: uncharged memory, and a limit is reached
    divide,         ///< #DE
    single_step,    ///< #DB, behind: the flag TF was set, or INT1
    breakpoint,     ///< #BP, behind: INT3
    illegal,        ///< #UD
    privileged,     ///< #GP: a privileged instruction, an address that is not canonical
    stack,          ///< #SS
    alignment,      ///< #AC
    floating_point, ///< #MF, #XM
    other,          ///< #OF, #BR, #NP, #TS
    foreign_call,   ///< behind: SYSCALL outside the runtime that the thread declared
    no_page,        ///< page fault: the object that is mapped there has no such page
    watch,          ///< page fault: the first access to a page that was watched, and is no more
};
inline constexpr const char* upcall_cause_names[] = {"hole",
                                                     "forbidden",
                                                     "out of memory",
                                                     "over the limit",
                                                     "divide",
                                                     "step",
                                                     "breakpoint",
                                                     "illegal instruction",
                                                     "privileged",
                                                     "stack",
                                                     "misaligned access",
                                                     "floating-point error",
                                                     "exception",
                                                     "foreign system call",
                                                     "no such page",
                                                     "watch"};

/// The thread as it was, lowest address first: the registers in the order in which the way back
/// pops them, then what IRETQ takes. Whatever the handler changes is what the thread goes on with.
struct UpcallFrame {
    std::uint64_t r15, r14, r13, r12, rbp, rbx;
    std::uint64_t r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    UpcallCause cause;
    /// Of page faults; all 0 in other frames.
    std::uint8_t access; ///< Access bits: what was tried, one of read, write, execute
    State state;         ///< of the entry that decides about the address
    std::uint8_t rights; ///< Access bits: what that entry allows
    std::uint32_t reserved;
    std::uint64_t address; ///< of page faults, else 0
    std::uint64_t rip, cs, rflags, rsp, ss;
};
static_assert(sizeof(UpcallFrame) == 176);
static_assert(offsetof(UpcallFrame, cause) == 120);
static_assert(offsetof(UpcallFrame, rip) == 136);

/// Bytes below RSP that code may use without moving it (System V psABI, 3.2.2): a frame that is put
/// on a stack in use leaves them alone.
inline constexpr std::uint64_t red_zone_bytes = 128;

} // namespace abi
