// SPDX-License-Identifier: MIT
// compare [--time] [STRUCTURE [replay|mappings|holes|touched|sparse]]: measures all structures at
// all work, or one. Run under QEMU with tools/count_plugin.cpp, or with --time by the clock
// (tools/run_compare.py).
#include "compare/bench/machine.hpp"
#include "compare/bench/work.hpp"

#include <cstdio>
#include <cstring>
#include <exception>
#include <malloc.h>

namespace {

using namespace compare;

constexpr std::string_view all_work[] = {"replay", "mappings", "holes", "touched", "sparse"};

void measure(const Subject& subject, std::string_view work) {
    if (work == "replay") {
        for (const char* const trace : {"firefox", "mpv", "cc1plus", "python"})
            replay(subject, trace);
    } else if (work == "mappings") {
        for (const std::size_t count : {10U, 100U, 1000U, 10'000U, 100'000U})
            many_mappings(subject, count);
    } else if (work == "holes") {
        for (const std::size_t holes : {10U, 100U, 1000U, 10'000U, 20'000U, 100'000U})
            fragmented(subject, holes);
    } else if (work == "touched") {
        for (const std::uint64_t mib : {0U, 4U, 64U, 256U, 1024U}) touched(subject, mib);
    } else {
        sparse(subject);
    }
}

void measure(std::string_view name, std::string_view only, bool timing) {
    Measure measured(timing);
    const bool own = name == "tabula";
    Frames frames(own ? page_size : machine_memory);
    const auto overhead = [&]() -> std::uint64_t {
        if (own) return machine_overhead();
        return mallinfo2().uordblks + (frames.in_use() << page_bits);
    };
    for (const std::string_view work : all_work)
        if (only.empty() || only == work) measure({name, measured, frames, overhead}, work);
}

} // namespace

int main(int count, char** words) {
    bool timing = false;
    std::string_view chosen[2]; // structure, work
    std::size_t given = 0;
    for (int at = 1; at < count; ++at) {
        if (std::strcmp(words[at], "--time") == 0)
            timing = true;
        else if (given < std::size(chosen))
            chosen[given++] = words[at];
    }
    try {
        start_machine();
        for (const std::string_view name : names)
            if (chosen[0].empty() || chosen[0] == name) measure(name, chosen[1], timing);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "compare: %s\n", error.what());
        return 1;
    }
}
