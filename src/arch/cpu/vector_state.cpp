// SPDX-License-Identifier: MIT
// XSAVE's area (Intel SDM vol. 1, 13.4): 512 bytes as FXSAVE's (vol. 1, 10.5.1), a header of 64,
// then the components that XCR0 enables.
#include "arch/cpu/vector_state.hpp"

#include "arch/cpu_features.hpp"
#include "arch/cpuid.hpp"
#include "lib/address.hpp"

#include <cstdint>

namespace arch {

namespace {

constexpr std::uint64_t component_x87_sse = 0x3;
constexpr std::uint64_t component_avx = 0x4;
constexpr std::uint64_t component_avx512 = 0xe0; ///< opmask, upper halves, upper registers

constexpr std::size_t legacy_bytes = 512;
constexpr std::size_t control_word_offset = 0;
constexpr std::size_t mxcsr_offset = 24;
constexpr std::uint16_t control_word_initial = 0x037f;
constexpr std::uint32_t mxcsr_initial = 0x1f80;

enum class Method : std::uint8_t { fxsave, xsave, xsaveopt };

constinit Method method = Method::fxsave;
constinit std::size_t area_bytes = legacy_bytes;
constinit std::uint64_t components = 0; ///< XCR0

} // namespace

constinit bool vector_switch_is_xsaveopt = false;
constinit bool keeps_error_pointers = false;

namespace {

void write_xcr0(std::uint64_t value) {
    asm volatile("xsetbv"
                 :
                 : "c"(0), "a"(static_cast<std::uint32_t>(value)),
                   "d"(static_cast<std::uint32_t>(value >> 32)));
}

std::uint64_t offered_components() {
    const CpuidResult leaf = cpuid(0xd, 0);
    return (std::uint64_t{leaf.edx} << 32) | leaf.eax;
}

/// The components that the kernel switches: no others may hold user data.
std::uint64_t choose_components() {
    const std::uint64_t offered = offered_components();
    std::uint64_t chosen = component_x87_sse;
    if ((offered & component_avx) != 0) {
        chosen |= component_avx;
        if ((offered & component_avx512) == component_avx512) chosen |= component_avx512;
    }
    return chosen;
}

bool made_by_amd() {
    const CpuidResult leaf = cpuid(0);
    return leaf.ebx == 0x68747541 && leaf.edx == 0x69746e65 && leaf.ecx == 0x444d4163;
}

} // namespace

void initialise_vector_units() {
    asm volatile("fninit");
    if (cpu_features().xsave) {
        components = choose_components();
        write_xcr0(components);
        area_bytes = align_up(cpuid(0xd, 0).ebx, 64); // for what XCR0 enables now
        method = cpu_features().xsaveopt ? Method::xsaveopt : Method::xsave;
    }
    constexpr std::uint32_t error_pointers_bit = 1U << 2;
    keeps_error_pointers = made_by_amd() && (cpuid(0x8000'0008).ebx & error_pointers_bit) == 0;
    vector_switch_is_xsaveopt = method == Method::xsaveopt;
}

bool initialise_cpu_vector_units() {
    asm volatile("fninit");
    if (!cpu_features().xsave) return true;
    if ((components & ~offered_components()) != 0) return false;
    write_xcr0(components);
    return align_up(cpuid(0xd, 0).ebx, 64) == area_bytes;
}

std::size_t vector_state_bytes() { return area_bytes; }

void reset_vector_state(void* area) {
    void* words = area;
    std::size_t count = area_bytes / 8;
    asm volatile("rep stosq" : "+D"(words), "+c"(count) : "a"(0ULL) : "memory");
    // XSTATE_BV in the header is zero: XRSTOR gives all components their initial values, but
    // takes MXCSR from the area (SDM vol. 1, 13.8.1). FXRSTOR takes everything from it.
    auto* const bytes = static_cast<std::byte*>(area);
    *reinterpret_cast<std::uint16_t*>(bytes + control_word_offset) = control_word_initial;
    *reinterpret_cast<std::uint32_t*>(bytes + mxcsr_offset) = mxcsr_initial;
}

void save_vector_state(void* area) {
    switch (method) {
    case Method::xsaveopt:
        asm volatile("xsaveopt64 (%0)" : : "r"(area), "a"(~0U), "d"(~0U) : "memory");
        break;
    case Method::xsave:
        asm volatile("xsave64 (%0)" : : "r"(area), "a"(~0U), "d"(~0U) : "memory");
        break;
    case Method::fxsave: asm volatile("fxsave64 (%0)" : : "r"(area) : "memory"); break;
    }
}

void load_vector_state(const void* area) {
    if (keeps_error_pointers) replace_error_pointers();
    if (method == Method::fxsave) {
        asm volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
    } else {
        asm volatile("xrstor64 (%0)" : : "r"(area), "a"(~0U), "d"(~0U) : "memory");
    }
}

} // namespace arch

namespace proc::port {

// Declared in proc/port.hpp; the machine's own name serves elsewhere.
std::size_t vector_state_bytes();
std::size_t vector_state_bytes() { return arch::vector_state_bytes(); }

} // namespace proc::port
