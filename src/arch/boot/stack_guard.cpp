// SPDX-License-Identifier: MIT
// The value that the compiler puts above each function's arrays, and what happens when it changed.
#include "arch/boot/stack_guard.hpp"

#include "arch/cpuid.hpp"

extern "C" {
/// Read by compiled code (-mstack-protector-guard=global).
extern std::uint64_t __stack_chk_guard;
constinit std::uint64_t __stack_chk_guard = 0x7461'6275'6c61'0a00;
}

namespace arch {

namespace {

bool random_number(std::uint64_t& number) {
    constexpr std::uint32_t rdrand_bit = 1U << 30;
    if ((cpuid(1).ecx & rdrand_bit) == 0) return false;
    for (int attempt = 0; attempt < 10; ++attempt) {
        bool valid = false;
        asm volatile("rdrand %0" : "=r"(number), "=@ccc"(valid));
        if (valid) return true;
    }
    return false;
}

std::uint64_t time_stamp() {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (std::uint64_t{high} << 32) | low;
}

} // namespace

[[gnu::no_stack_protector]] void initialise_stack_guard() {
    std::uint64_t number = 0;
    if (!random_number(number)) {
        // No generator: spread what the clock says over the word (a step of SplitMix64).
        number = time_stamp() + 0x9e37'79b9'7f4a'7c15;
        number = (number ^ (number >> 30)) * 0xbf58'476d'1ce4'e5b9;
        number = (number ^ (number >> 27)) * 0x94d0'49bb'1331'11eb;
        number ^= number >> 31;
    }
    // A zero as lowest byte stops string functions from reading or writing over it.
    __stack_chk_guard = number & ~std::uint64_t{0xff};
}

} // namespace arch
