// SPDX-License-Identifier: MIT
// The record of held ranks, one a CPU, each on its own cache line.
#include "vm/lock.hpp"

namespace vm {

namespace {
struct alignas(64) Line {
    HeldRanks ranks;
};
constinit Line lines[port::cpu_limit];
} // namespace

HeldRanks& held_ranks() { return lines[port::cpu()].ranks; }

} // namespace vm
