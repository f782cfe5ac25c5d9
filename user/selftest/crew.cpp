// SPDX-License-Identifier: MIT
// How large crews are, and how long stress lasts.
#include "user/selftest/crew.hpp"

#include <algorithm>

namespace selftest {

namespace {
unsigned factor = 1;
} // namespace

unsigned crew_size() {
    const auto machine = user::machine_info();
    const std::uint64_t processors = machine.ok() ? machine->processors : 1;
    return static_cast<unsigned>(std::clamp<std::uint64_t>(processors, 2, 8));
}

unsigned stress_rounds(unsigned number) { return number * factor; }
void set_stress_factor(unsigned times) { factor = times; }

} // namespace selftest
