// SPDX-License-Identifier: MIT
// What libFuzzer calls. Compiled once for each target, with FUZZ_TARGET as its name.
#include "fuzz/fuzz.hpp"

#include <algorithm>
#include <vector>

extern "C" {
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t limit,
                                    unsigned seed);
std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t limit);
}

namespace {

constexpr const fuzz::Target& target = fuzz::FUZZ_TARGET;

/// Changes the beginning; what comes behind it stays where it is.
void mutate_head(std::span<std::uint8_t> head) {
    std::vector<std::uint8_t> part(head.begin(), head.end());
    const std::size_t size = LLVMFuzzerMutate(part.data(), part.size(), part.size());
    std::copy_n(part.begin(), size, head.begin());
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    target.run(std::as_bytes(std::span(data, size)));
    return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t limit,
                                    unsigned seed) {
    if (target.head_bytes != 0 && size > target.head_bytes && seed % 8 != 0) {
        mutate_head({data, target.head_bytes});
    } else {
        size = LLVMFuzzerMutate(data, size, limit);
    }
    if (target.repair != nullptr && seed / 8 % 8 != 0) {
        target.repair(std::as_writable_bytes(std::span(data, size)));
    }
    return size;
}
