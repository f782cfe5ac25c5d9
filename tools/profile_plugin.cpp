// SPDX-License-Identifier: MIT
// A plugin for QEMU's translator: how often each guest instruction is executed between the time
// stamps of each row of `bench`. Loaded with -plugin plugin.so,out=FILE; one CPU.
//
// It needs no help of the guest but what user/bench does anyhow: a stamp of `bench` begins with
// LFENCE, and Samples stores a mark where it adds a sample and where it has printed a row. What ran
// between the last three stamps is kept apart, as
//
//   stamp ── before ── stamp ── last ── stamp, sample added
//
// and summed up for each Samples. Whether a row is made of `last`, of `before` or of both,
// tools/profile_rows.py finds by the row's own figures. Written for each row: "row N SAMPLES LAST
// BEFORE" with their lengths, then "ADDRESS BYTES LAST BEFORE" for each instruction. Row 0 is what
// ran before any program did.
#include "qemu_plugin.hpp"

#include <array>
#include <cstring>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

/// What Samples stores as a mark (user/bench/samples.hpp: `Mark`).
constexpr std::array<unsigned char, 2> mark_added{0x9d, 0xb5};
constexpr std::array<unsigned char, 2> mark_printed{0x9e, 0xb5};
constexpr int on_store = 2;

/// An instruction: programs have the same addresses, so its bytes tell whose it is.
struct Instruction {
    std::uint64_t address;
    std::string bytes;
    std::uint64_t executed = 0; ///< since the last stamp
};
struct Count {
    std::uint64_t last = 0;
    std::uint64_t before = 0;
};
struct Interval {
    std::vector<std::pair<Instruction*, std::uint64_t>> counts;
    std::uint64_t length = 0;
};
struct Row {
    std::uint64_t samples = 0;
    Count length;
    std::unordered_map<Instruction*, Count> counts;
};

std::map<std::pair<std::uint64_t, std::string>, Instruction> instructions;
std::vector<Instruction*> touched; ///< since the last stamp
Interval last;
Interval before;
std::map<std::uint64_t, Row> rows; ///< by the place of their marks
unsigned printed = 0;
bool program_ran = false;
std::FILE* output = nullptr;

/// Where position-independent programs are (src/lib/elf_plan.hpp: `program_base`), and nothing
/// else.
constexpr bool is_program(std::uint64_t address) {
    return address >= 0x4000'0000 && address < 0x8000'0000;
}

void write(unsigned number, const Row& row) {
    std::fprintf(output, "row %u %lu %lu %lu\n", number, row.samples, row.length.last,
                 row.length.before);
    for (const auto& [instruction, count] : row.counts) {
        std::fprintf(output, "%lx ", instruction->address);
        for (const char byte : instruction->bytes)
            std::fprintf(output, "%02x", static_cast<unsigned char>(byte));
        std::fprintf(output, " %lu %lu\n", count.last, count.before);
    }
}

void executed(unsigned, void* data) {
    auto* const instruction = static_cast<Instruction*>(data);
    if (instruction->executed++ == 0) touched.push_back(instruction);
}

void end_interval() {
    std::swap(before, last);
    last.counts.clear();
    last.length = 0;
    for (Instruction* const instruction : touched) {
        const std::uint64_t count = std::exchange(instruction->executed, 0);
        last.counts.emplace_back(instruction, count);
        last.length += count;
    }
    touched.clear();
}

void stamped(unsigned, void*) { end_interval(); }

void added(unsigned, std::uint32_t, std::uint64_t place, void*) {
    Row& row = rows[place];
    ++row.samples;
    row.length.last += last.length;
    row.length.before += before.length;
    for (const auto& [instruction, count] : last.counts) row.counts[instruction].last += count;
    for (const auto& [instruction, count] : before.counts) row.counts[instruction].before += count;
}

void row_printed(unsigned, std::uint32_t, std::uint64_t place, void*) {
    write(++printed, rows[place]);
    rows.erase(place);
}

void write_boot() {
    program_ran = true;
    end_interval();
    Row row;
    row.samples = 1;
    row.length.last = last.length;
    for (const auto& [instruction, count] : last.counts) row.counts[instruction].last = count;
    write(0, row);
}

/// MOVW $mark, memory.
bool stores(const std::string& bytes, const std::array<unsigned char, 2>& mark) {
    return bytes.size() > 5 && bytes[0] == 0x66 &&
           std::memcmp(bytes.data() + bytes.size() - 2, mark.data(), 2) == 0;
}

void translated(std::uint64_t, qemu_plugin_tb* block) {
    for (std::size_t index = 0; index < qemu_plugin_tb_n_insns(block); ++index) {
        qemu_plugin_insn* const guest = qemu_plugin_tb_get_insn(block, index);
        const std::uint64_t address = qemu_plugin_insn_vaddr(guest);
        std::string bytes(static_cast<const char*>(qemu_plugin_insn_data(guest)),
                          qemu_plugin_insn_size(guest));
        const bool program = is_program(address);
        if (program && !program_ran) write_boot();
        if (program && bytes == "\x0f\xae\xe8")
            qemu_plugin_register_vcpu_insn_exec_cb(guest, stamped, without_registers, nullptr);
        if (program && stores(bytes, mark_added))
            qemu_plugin_register_vcpu_mem_cb(guest, added, without_registers, on_store, nullptr);
        if (program && stores(bytes, mark_printed))
            qemu_plugin_register_vcpu_mem_cb(guest, row_printed, without_registers, on_store,
                                             nullptr);
        const auto key = std::pair(address, bytes);
        auto& instruction =
            instructions.try_emplace(key, Instruction{address, std::move(bytes)}).first->second;
        qemu_plugin_register_vcpu_insn_exec_cb(guest, executed, without_registers, &instruction);
    }
}

void ended(std::uint64_t, void*) { std::fclose(output); }

} // namespace

int qemu_plugin_install(std::uint64_t id, const void*, int count, char** words) {
    output = open_output(count, words);
    if (output == nullptr) return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, nullptr);
    return 0;
}
