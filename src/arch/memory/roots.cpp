// SPDX-License-Identifier: MIT
// CR3, PCIDs, INVLPG and INVPCID.
//
// With PCIDs, loading a root keeps what was cached under it where vm::PcidCache allows that; with
// isolated roots, each space has two on a CPU, told apart by one bit, and entering and leaving the
// kernel flushes nothing. What the kernel flushes of user mode's root while that isn't loaded waits
// for the next return to user mode, which loads it with a flush (guarded_entry.S, user_root).
#include "arch/memory/roots.hpp"

#include "arch/cpu_features.hpp"

namespace arch {

namespace {

/// Above so many pages the whole TLB is cheaper to forget than page by page.
constexpr std::uint64_t single_page_limit = 32;

/// In a PCID: user mode's root of the same space.
constexpr std::uint64_t user_pcid = 1ULL << 11;
static_assert(vm::PcidCache::count <= user_pcid);

/// The next return to user mode flushes.
void owe_user_flush(EntryPage& entry) { entry.user_root = entry.user_root_kept & ~cr3_keep; }
bool owes_user_flush(const EntryPage& entry) { return entry.user_root != entry.user_root_kept; }

/// Translations of the range under user mode's PCID. Without PCIDs each return forgets them.
void flush_user_root(EntryPage& entry, VirtRange range) {
    if (owes_user_flush(entry)) return;
    if (range.pages().value > single_page_limit || !cpu_features().invpcid)
        return owe_user_flush(entry);
    for (VirtAddr page = range.start; page < range.end; page = page + page_size)
        invalidate_page_of(entry.user_root_kept & cr3_pcid_mask, page.value);
}

/// INVLPG forgets all cached table references of the PCID too (SDM vol. 3A, 4.10.4.1), so a change
/// of tables needs nothing more.
void flush_pages(CpuArea& area, VirtRange range) {
    for (VirtAddr page = range.start; page < range.end; page = page + page_size)
        invalidate_page(page.value);
    area.flushed_pages += range.pages().value;
}

} // namespace

void load_measured_root(CpuArea& area, const vm::AddressSpace& space) {
    const lib::Measures& taken = measures();
    if (spaces_need_separation()) separate_spaces(!space.is_kernel());
    EntryPage& entry = area.entry;
    const std::uint64_t root = space.root().value;
    if (!taken.pcid) {
        if (taken.isolation) {
            entry.kernel_root = root;
            entry.user_root = entry.user_root_kept = space.user_root().value;
        }
        return write_cr3(root);
    }
    const vm::Translations& translations = space.translations();
    const std::uint64_t changes =
        space.is_kernel() ? 0 : translations.generation.load(std::memory_order_seq_cst);
    const vm::PcidCache::Entered entered =
        area.pcids.enter(translations.number, changes, owes_user_flush(entry));
    ++(entered.kept ? area.kept_roots : area.fresh_roots);
    if (taken.isolation) {
        entry.kernel_root = root | entered.pcid | cr3_keep;
        entry.user_root_kept = space.user_root().value | entered.pcid | user_pcid | cr3_keep;
        entry.user_root = entry.user_root_kept;
        if (!entered.user_kept) owe_user_flush(entry);
    }
    write_cr3(root | entered.pcid | (entered.kept ? cr3_keep : 0));
}

void flush_everything() {
    // A change of CR4.PGE forgets everything of all PCIDs, whichever way (SDM vol. 3A, 4.10.4.1).
    if (cpu_features().pge) {
        const std::uint64_t cr4 = read_cr4();
        write_cr4(cr4 ^ cr4_global_pages);
        write_cr4(cr4);
    } else {
        write_cr3(read_cr3());
    }
    ++this_cpu().flushed_spaces;
}

void flush_running_space(CpuArea& area, VirtRange range, std::uint64_t change) {
    if (range.pages().value > single_page_limit) {
        write_cr3(read_cr3()); // all that is not global, of the running PCID
        ++area.flushed_spaces;
    } else {
        flush_pages(area, range);
    }
    if (area.plain_roots || !measures().pcid) return;
    if (measures().isolation) flush_user_root(area.entry, range);
    area.pcids.flushed(change);
}

void flush_kernel_half(CpuArea& area, VirtRange range, bool tables) {
    if (range.pages().value > single_page_limit) {
        flush_everything();
    } else {
        flush_pages(area, range);
    }
    // References to tables are cached for each PCID, and so are translations that aren't global.
    // User mode's roots show nothing of the kernel's half that changes.
    if (measures().pcid && (tables || !kernel_pages_global())) area.pcids.forget_others();
}

} // namespace arch
