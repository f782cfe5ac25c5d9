// SPDX-License-Identifier: MIT
// A panic's view of the map: the entries on the way to an address, in words.
#include "arch/layout.hpp"
#include "arch/log.hpp"
#include "arch/panic_report.hpp"
#include "vm/entry.hpp"
#include "vm/space.hpp"

#include <array>
#include <bit>
#include <string_view>

namespace arch {
namespace {

using vm::Entry;
using vm::EntryKind;
using vm::Level;

constexpr std::uint64_t cr3_frame_mask = 0x000f'ffff'ffff'f000;
constexpr std::uint64_t cr4_la57 = 1ULL << 12;

/// The SDM's names, by level.
constexpr std::array<std::string_view, vm::level_max + 1> table_names{"",     "pt",   "pd",
                                                                      "pdpt", "pml4", "pml5"};

Level top_level(const ControlRegisters& control) { return (control.cr4 & cr4_la57) != 0 ? 5 : 4; }

bool is_canonical(VirtAddr address, Level levels) {
    const unsigned unused = 64 - vm::level_shift(levels + 1);
    const auto shifted = static_cast<std::int64_t>(address.value << unused);
    return static_cast<std::uint64_t>(shifted >> unused) == address.value;
}

/// The table's entry, through the direct map. A frame that the map can't cover is none.
std::optional<Entry> read_entry(PhysAddr table, unsigned index) {
    if (table.value >= layout::direct_map_bytes) return std::nullopt;
    const auto* words = static_cast<const volatile std::uint64_t*>(layout::direct(table));
    return std::bit_cast<Entry>(words[index]);
}

/// Calls visit(entry, level, index) from the top down to where the walk ends. False: a table's
/// frame can't be read.
template <typename Visit>
bool walk(VirtAddr address, const ControlRegisters& control, Visit visit) {
    PhysAddr table{control.cr3 & cr3_frame_mask};
    for (Level level = top_level(control); level > 0; --level) {
        const unsigned index = vm::level_index(address, level);
        const std::optional<Entry> entry = read_entry(table, index);
        if (!entry) return false;
        visit(*entry, level, index);
        if (!entry->is_table(level)) return true;
        table = entry->frame();
    }
    return true;
}

std::string_view access_words(vm::Access access) {
    if (access.writable()) return "rw-";
    if (access.executable()) return "r-x";
    return access.readable() ? "r--" : "---";
}

void log_leaf(std::string_view table, unsigned index, const vm::LeafView& leaf) {
    log("  {}[{}]: page at {}, {}{}{}{}{}{}{}{}", table, index, leaf.frame,
        access_words(leaf.access), leaf.user ? " user" : " kernel", leaf.global ? " global" : "",
        leaf.shared ? " shared" : "", leaf.cow ? " cow" : "", leaf.accessed ? " accessed" : "",
        leaf.dirty ? " dirty" : "",
        leaf.type == vm::MemoryType::write_back        ? ""
        : leaf.type == vm::MemoryType::write_combining ? " write-combining"
                                                       : " uncached");
}

void log_entry(const Entry& entry, Level level, unsigned index) {
    const std::string_view table = table_names[level];
    const std::string_view rights = access_words(entry.access());
    switch (entry.kind(level)) {
    case EntryKind::empty: log("  {}[{}]: empty, a hole", table, index); return;
    case EntryKind::table:
        log("  {}[{}]: table at {}{}{}", table, index, entry.frame(),
            entry.hardware_writable() ? "" : " read-only", entry.user() ? " user" : " kernel");
        return;
    case EntryKind::leaf: {
        const vm::EntryView view = entry.view(level);
        log_leaf(table, index, *std::get_if<vm::LeafView>(&view));
        return;
    }
    case EntryKind::lazy: log("  {}[{}]: lazy {}", table, index, rights); return;
    case EntryKind::shared:
        log("  {}[{}]: shared {}, id {}", table, index, rights, entry.id().value);
        return;
    case EntryKind::file:
        log("  {}[{}]: file {}, id {}", table, index, rights, entry.id().value);
        return;
    case EntryKind::callback:
        log("  {}[{}]: callback {}{}", table, index, entry.id().value,
            entry.id() == vm::callback_guard ? ", a guard: never to be touched" : "");
        return;
    case EntryKind::parked: log("  {}[{}]: parked, no rights", table, index); return;
    case EntryKind::uncached: log("  {}[{}]: not in the cache", table, index); return;
    }
    // Only a damaged entry says something else.
    log("  {}[{}]: {:016x} is no entry", table, index, entry.raw());
}

} // namespace

void report_entries(VirtAddr address, const ControlRegisters& control) {
    log("entries of {:016}:", address);
    if (!is_canonical(address, top_level(control))) {
        log("  none: not a canonical address");
        return;
    }
    if (!walk(address, control, log_entry)) log("  a table outside of all memory: damaged");
}

std::optional<std::uint64_t> peek(VirtAddr address, const ControlRegisters& control) {
    if (address.value % 8 != 0 || !is_canonical(address, top_level(control))) return std::nullopt;
    bool mapped = false;
    walk(address, control, [&](const Entry& entry, Level level, unsigned) {
        mapped = entry.is_leaf(level) && !entry.user();
    });
    if (!mapped) return std::nullopt;
    return *reinterpret_cast<const volatile std::uint64_t*>(address.value);
}

} // namespace arch
