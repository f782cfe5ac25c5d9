// SPDX-License-Identifier: MIT
// Names of the vectors, for people.
#include "arch/trap/frame.hpp"

namespace arch {

const char* vector_name(std::uint64_t vector) {
    if (vector >= 32) return "interrupt";
    switch (static_cast<Vector>(vector)) {
    case Vector::divide: return "#DE divide error";
    case Vector::debug: return "#DB debug exception";
    case Vector::nmi: return "non-maskable interrupt";
    case Vector::breakpoint: return "#BP breakpoint";
    case Vector::overflow: return "#OF overflow";
    case Vector::bound: return "#BR bound range exceeded";
    case Vector::invalid_opcode: return "#UD invalid opcode";
    case Vector::device_not_available: return "#NM device not available";
    case Vector::double_fault: return "#DF double fault";
    case Vector::invalid_tss: return "#TS invalid TSS";
    case Vector::segment_not_present: return "#NP segment not present";
    case Vector::stack_fault: return "#SS stack fault";
    case Vector::general_protection: return "#GP general protection";
    case Vector::page_fault: return "#PF page fault";
    case Vector::x87_error: return "#MF x87 floating-point error";
    case Vector::alignment_check: return "#AC alignment check";
    case Vector::machine_check: return "#MC machine check";
    case Vector::simd_error: return "#XM SIMD floating-point error";
    case Vector::virtualization: return "#VE virtualization exception";
    case Vector::control_protection: return "#CP control protection";
    }
    return "reserved exception";
}

} // namespace arch
