// SPDX-License-Identifier: MIT
// A plugin for QEMU's translator (qemu-x86_64): instructions and memory accesses of each measured
// operation of test/compare/bench. Loaded with -plugin plugin.so,out=FILE; one thread.
//
// The program executes a mark before and after each operation, a NOP of 8 bytes that nothing else
// has (test/compare/bench/measure.hpp: `Mark`). What runs between the two is counted, the marks
// left out. Written for each operation, in order: "INSTRUCTIONS ACCESSES". A load, a store, and
// each half of an update is an access; each round of a repeated instruction counts as one.
#include "qemu_plugin.hpp"

#include <cstring>
#include <vector>

namespace {

constexpr int add = 0;
constexpr int loads_and_stores = 3;

/// NOPs with a displacement that says which.
constexpr unsigned char mark_before[] = {0x0f, 0x1f, 0x84, 0x00, 'T', 'a', 'b', '1'};
constexpr unsigned char mark_after[] = {0x0f, 0x1f, 0x84, 0x00, 'T', 'a', 'b', '2'};

struct Counts {
    std::uint64_t instructions = 0;
    std::uint64_t accesses = 0;
};
Counts counts; // since the program began
Counts before; // at the last mark
std::vector<Counts> operations;
std::FILE* output = nullptr;

bool is(const qemu_plugin_insn* instruction, const unsigned char (&mark)[8]) {
    return qemu_plugin_insn_size(instruction) == sizeof mark &&
           std::memcmp(qemu_plugin_insn_data(instruction), mark, sizeof mark) == 0;
}

void begin(unsigned, void*) { before = counts; }
void end(unsigned, void*) {
    operations.push_back(
        {counts.instructions - before.instructions, counts.accesses - before.accesses});
}

void translated(std::uint64_t, qemu_plugin_tb* block) {
    for (std::size_t at = 0; at < qemu_plugin_tb_n_insns(block); ++at) {
        qemu_plugin_insn* const instruction = qemu_plugin_tb_get_insn(block, at);
        const bool first = is(instruction, mark_before);
        if (first || is(instruction, mark_after)) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, first ? begin : end,
                                                   without_registers, nullptr);
            continue;
        }
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, add, &counts.instructions, 1);
        qemu_plugin_register_vcpu_mem_inline(instruction, loads_and_stores, add, &counts.accesses,
                                             1);
    }
}

void write(std::uint64_t, void*) {
    for (const Counts& each : operations)
        std::fprintf(output, "%lu %lu\n", each.instructions, each.accesses);
    std::fclose(output);
}

} // namespace

int qemu_plugin_install(std::uint64_t id, const void*, int count, char** words) {
    output = open_output(count, words);
    if (output == nullptr) return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, write, nullptr);
    return 0;
}
