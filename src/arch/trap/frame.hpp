// SPDX-License-Identifier: MIT
// What an interrupt or exception leaves on the kernel stack.
#pragma once

#include "abi/upcall.hpp"

#include <cstddef>
#include <cstdint>

namespace arch {

/// Lowest address first: what src/arch/trap/entry.S pushes, then what the processor pushed (Intel
/// SDM vol. 3A, 6.14.2). The offsets are known there; keep both in step.
struct TrapFrame {
    std::uint64_t r15, r14, r13, r12, rbp, rbx; ///< kept by C++ functions
    std::uint64_t r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    std::uint64_t vector;
    std::uint64_t error; ///< 0 where the processor gives none
    std::uint64_t rip, cs, rflags, rsp, ss;

    /// Whether user code was interrupted.
    bool from_user() const { return (cs & 3) != 0; }
};
static_assert(sizeof(TrapFrame) == 22 * 8);
static_assert(offsetof(TrapFrame, vector) == 15 * 8);
static_assert(offsetof(TrapFrame, rip) == 17 * 8);

/// The frame as proc sees it: vector and error code are there for words about the fault.
inline abi::UpcallFrame* registers_of(TrapFrame* frame) {
    static_assert(sizeof(TrapFrame) == sizeof(abi::UpcallFrame));
    static_assert(offsetof(TrapFrame, vector) == offsetof(abi::UpcallFrame, cause));
    static_assert(offsetof(TrapFrame, error) == offsetof(abi::UpcallFrame, address));
    static_assert(offsetof(TrapFrame, r15) == offsetof(abi::UpcallFrame, r15));
    static_assert(offsetof(TrapFrame, rdi) == offsetof(abi::UpcallFrame, rdi));
    static_assert(offsetof(TrapFrame, rip) == offsetof(abi::UpcallFrame, rip));
    static_assert(offsetof(TrapFrame, rsp) == offsetof(abi::UpcallFrame, rsp));
    return reinterpret_cast<abi::UpcallFrame*>(frame);
}

/// Exception vectors (SDM vol. 3A, table 6-1).
enum class Vector : std::uint8_t {
    divide = 0,
    debug = 1,
    nmi = 2,
    breakpoint = 3,
    overflow = 4,
    bound = 5,
    invalid_opcode = 6,
    device_not_available = 7,
    double_fault = 8,
    invalid_tss = 10,
    segment_not_present = 11,
    stack_fault = 12,
    general_protection = 13,
    page_fault = 14,
    x87_error = 16,
    alignment_check = 17,
    machine_check = 18,
    simd_error = 19,
    virtualization = 20,
    control_protection = 21,
};

/// "#PF page fault" and the like; "interrupt" for vectors from 32 up.
const char* vector_name(std::uint64_t vector);

/// Bits of a page fault's error code (SDM vol. 3A, 4.7).
inline constexpr std::uint64_t page_fault_present = 1;
inline constexpr std::uint64_t page_fault_write = 2;
inline constexpr std::uint64_t page_fault_user = 4;
inline constexpr std::uint64_t page_fault_reserved = 8;
inline constexpr std::uint64_t page_fault_fetch = 16;

} // namespace arch
