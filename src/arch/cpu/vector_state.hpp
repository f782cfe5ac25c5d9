// SPDX-License-Identifier: MIT
// x87, SSE and AVX registers: switched eagerly, by XSAVE where there is one, else by FXSAVE.
#pragma once

#include <cstddef>
#include <cstdint>

namespace arch {

/// Chooses what is switched (XCR0), after enable_cpu_features(). Called by the boot CPU before its
/// first thread.
void initialise_vector_units();
/// Switches the same on for another CPU, called by it. False: it has not all of that.
bool initialise_cpu_vector_units();

/// Bytes of a save area: a multiple of 64, the alignment it needs.
std::size_t vector_state_bytes();

/// Gives an area the content from which a fresh thread starts: registers zero, exceptions masked.
void reset_vector_state(void* area);

void save_vector_state(void* area);
void load_vector_state(const void* area);

/// XSAVEOPT and XRSTOR do all that a switch needs. They write and read what is in use and changed
/// (SDM vol. 1, 13.9): eager all the same, so that no thread's registers are ever another's to
/// read.
extern bool vector_switch_is_xsaveopt;
/// AMD's FXSAVE and XSAVE (before XSAVEERPTR) leave the last x87 instruction's addresses alone
/// while no exception is pending, so that one thread could read another's (AMD APM vol. 2, 11.4.4).
extern bool keeps_error_pointers;

/// Any x87 load replaces them; nothing pending, a free register, then a harmless operand.
inline void replace_error_pointers() {
    static constexpr std::uint32_t zero = 0;
    asm volatile("fnclex\n\tffree %%st(7)\n\tfildl %0" : : "m"(zero));
}

/// Saves into one area, loads from the other.
inline void exchange_vector_state(void* from, const void* to) {
    if (!vector_switch_is_xsaveopt) [[unlikely]] {
        save_vector_state(from);
        return load_vector_state(to);
    }
    asm volatile("xsaveopt64 (%0)" : : "r"(from), "a"(~0U), "d"(~0U) : "memory");
    if (keeps_error_pointers) replace_error_pointers();
    asm volatile("xrstor64 (%0)" : : "r"(to), "a"(~0U), "d"(~0U) : "memory");
}

} // namespace arch
