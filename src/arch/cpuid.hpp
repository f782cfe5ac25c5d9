// SPDX-License-Identifier: MIT
// The CPUID instruction.
#pragma once

#include <cstdint>

namespace arch {

struct CpuidResult {
    std::uint32_t eax = 0;
    std::uint32_t ebx = 0;
    std::uint32_t ecx = 0;
    std::uint32_t edx = 0;
};

/// What CPUID says for a leaf and subleaf. Above the highest leaf (leaf 0 and 0x8000'0000 name it)
/// processors answer with another leaf's data: there all is zero instead.
inline CpuidResult cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
    const auto ask = [](std::uint32_t number, std::uint32_t sub) {
        CpuidResult result;
        asm volatile("cpuid"
                     : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                     : "a"(number), "c"(sub));
        return result;
    };
    const std::uint32_t group = leaf & 0xffff'0000;
    const std::uint32_t highest = ask(group, 0).eax;
    if (leaf > highest || highest < group) return {};
    return ask(leaf, subleaf);
}

} // namespace arch
