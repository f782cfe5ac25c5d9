// SPDX-License-Identifier: MIT
// A panic's view of the map: the entries on the way to an address, in words.
#include "arch/log.hpp"
#include "arch/panic_report.hpp"
#include "arch/table_walk.hpp"
#include "vm/entry.hpp"
#include "vm/space.hpp"

#include <array>
#include <string_view>

namespace arch {
namespace {

using vm::Entry;
using vm::EntryKind;
using vm::Level;

/// The SDM's names, by level.
constexpr std::array<std::string_view, vm::level_max + 1> table_names{"",     "pt",   "pd",
                                                                      "pdpt", "pml4", "pml5"};

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
    case EntryKind::graft:
        log("  {}[{}]: an object's table at {}, {}", table, index, entry.frame(), rights);
        return;
    }
    // Only a damaged entry says something else.
    log("  {}[{}]: {:016x} is no entry", table, index, entry.raw());
}

} // namespace

void report_entries(VirtAddr address) {
    log("entries of {:016}:", address);
    const TableWalk walk{address};
    if (!walk.canonical()) log("  none: not a canonical address");
    for (const TableWalk::Step& step : walk.steps()) log_entry(step.entry, step.level, step.index);
    if (!walk.sound()) log("  the next table is outside of all memory: damaged");
}

std::optional<std::uint64_t> peek(VirtAddr address) {
    if (address.value % 8 != 0 || !TableWalk{address}.kernel_readable()) return std::nullopt;
    return *reinterpret_cast<const volatile std::uint64_t*>(address.value);
}

} // namespace arch
