// SPDX-License-Identifier: MIT
// How a space looks from outside, and what is wrong with it.
#include "shim/check.hpp"

#include "vm/commit.hpp"
#include "vm/validate.hpp"

#include <cstdio>

namespace shim {

namespace {

constexpr std::uint64_t dont_free_me = 1ULL << 9;

constexpr std::uint64_t table_address(std::uint64_t entry) { return entry & 0x000ffffffffff000; }

/// Calls visit(entry, level) for each entry that is not zero, tables first.
template <typename Visit>
void for_each_entry(std::uint64_t table, unsigned level, unsigned first, unsigned last,
                    Visit& visit) {
    const auto* entries = static_cast<const std::uint64_t*>(Arena::the().host(PhysAddr{table}));
    for (unsigned index = first; index < last; ++index) {
        const std::uint64_t entry = entries[index];
        if (entry == 0) continue;
        visit(entry, level);
        const bool below =
            (entry & bits::present) != 0 && level > 1 && (entry & bits::page_size) == 0;
        if (below) for_each_entry(table_address(entry), level - 1, 0, 512, visit);
    }
}

template <typename Visit>
void for_each_user_entry(const vm::AddressSpace& space, Visit visit) {
    for_each_entry(space.root().value, space.levels(), 0, 256, visit);
}

} // namespace

std::vector<abi::Run> all_runs(const vm::AddressSpace& space, std::size_t at_a_time) {
    std::vector<abi::Run> runs;
    VirtAddr from{};
    for (;;) {
        std::vector<abi::Run> piece(at_a_time);
        const std::size_t count = space.query(from, piece);
        if (count > at_a_time) throw ModelError("query wrote more runs than fit");
        runs.insert(runs.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
        if (count < at_a_time) return runs;
        from = VirtAddr{runs.back().end};
    }
}

std::string describe(const abi::Run& run) {
    char text[160];
    std::snprintf(text, sizeof text, "%lx-%lx %c%c%c %s %lu/%lu origin %u levels %u id %u",
                  run.start, run.end, (run.access & abi::access_read) != 0 ? 'r' : '-',
                  (run.access & abi::access_write) != 0 ? 'w' : '-',
                  (run.access & abi::access_execute) != 0 ? 'x' : '-',
                  abi::state_names[static_cast<unsigned>(run.state)], run.present,
                  (run.end - run.start) / page_size, static_cast<unsigned>(run.origin), run.levels,
                  run.id);
    return text;
}

std::string describe(const std::vector<abi::Run>& runs) {
    std::string text;
    for (const abi::Run& run : runs) text += describe(run) + "\n";
    return text;
}

std::string picture(const vm::AddressSpace& space) { return describe(all_runs(space)); }

Totals Totals::now() {
    vm::drain_frame_caches();
    const vm::FrameStatistics statistics = vm::frame_statistics();
    Totals totals{.total = statistics.total, .by_kind = {}, .committed = vm::committed().value};
    std::copy(std::begin(statistics.by_kind), std::end(statistics.by_kind), totals.by_kind);
    return totals;
}

std::string Totals::text() const {
    std::string out = "total " + std::to_string(total) + " kinds";
    for (const std::uint64_t kind : by_kind) out += " " + std::to_string(kind);
    return out + " committed " + std::to_string(committed);
}

Likeness Likeness::of(const vm::AddressSpace& space) {
    return {picture(space), space.account().charged().value, space.counts().anonymous};
}

std::uint64_t promised_tables(const vm::AddressSpace& space) {
    std::uint64_t sum = 0;
    for_each_user_entry(space, [&](std::uint64_t entry, unsigned level) {
        constexpr std::uint64_t write_right = 1ULL << 59;
        constexpr std::uint64_t noreserve = 1ULL << 57;
        constexpr std::uint64_t shared = 1ULL << 9;
        const bool table = (entry & bits::present) != 0 && (entry & bits::page_size) == 0;
        const bool parked = (entry & (bits::present | 0xe)) == 0xa;
        const bool holds_frames = (entry & bits::present) != 0 || parked;
        const bool promised = (entry & (noreserve | write_right)) == write_right;
        const bool charged = holds_frames ? level > 1 && !table && (entry & shared) == 0 : promised;
        // Below one entry: a table, 512 more, 512 times as many more …; with a summary each but
        // for the page tables.
        for (std::uint64_t below = 1; charged && level > 1; --level, below *= 512)
            sum += level > 2 ? 2 * below : below;
    });
    return sum;
}

EntryCounts count_entries(Machine&, const vm::AddressSpace& space) {
    EntryCounts counts{.tables = 1};
    for_each_user_entry(space, [&](std::uint64_t entry, unsigned level) {
        if ((entry & bits::present) == 0)
            ++counts.not_present;
        else if (level > 1 && (entry & bits::page_size) == 0)
            counts.tables += (entry & dont_free_me) == 0 ? 1 : 0;
        else
            ++counts.present;
    });
    return counts;
}

std::string faults_of(Machine& machine, const vm::AddressSpace& space) {
    std::string text = machine.complaints(space);
    if (const char* problem = vm::validate(space)) text += std::string(problem) + "\n";
    std::uint64_t anonymous = 0;
    for_each_user_entry(space, [&](std::uint64_t entry, unsigned level) {
        if ((entry & bits::present) == 0) return;
        const PhysAddr frame{table_address(entry)};
        if (!vm::is_managed(frame) || frame == vm::zero_frame()) return;
        const vm::FrameKind kind = vm::frame_record(frame).kind;
        const bool table = level > 1 && (entry & bits::page_size) == 0;
        const bool shared = (entry & dont_free_me) != 0;
        if (table && kind != (shared ? vm::FrameKind::cache_table : vm::FrameKind::table))
            text += "a table's frame is no table\n";
        if (table && shared && (entry & bits::read_write) != 0)
            text += "an object's table can be written\n";
        if (table || shared) return;
        anonymous += 1ULL << (entry_shift(level) - 12);
        if (vm::frame_record(frame).order != entry_shift(level) - 12)
            text += "a mapped frame belongs to a block of another size\n";
        if (kind != vm::FrameKind::anonymous) text += "a mapped frame is not anonymous memory\n";
        if (vm::frame_record(frame).references.load() == 0)
            text += "a mapped frame has no reference\n";
    });
    if (space.counts().anonymous < anonymous)
        text += "counted " + std::to_string(space.counts().anonymous) +
                " anonymous frames, found " + std::to_string(anonymous) + "\n";
    const EntryCounts entries = count_entries(machine, space);
    if (space.counts().tables < entries.tables)
        text += "counted " + std::to_string(space.counts().tables) + " tables, found " +
                std::to_string(entries.tables) + "\n";
    return text;
}

} // namespace shim
