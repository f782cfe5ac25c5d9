// SPDX-License-Identifier: MIT
// The whole structure read again, against what is kept beside it.
#include "vm/validate.hpp"

#include "vm/ids.hpp"
#include "vm/search.hpp"
#include "vm/transaction.hpp"

namespace vm {

namespace {

struct Truth {
    std::uint64_t charge = 0;
    std::uint64_t anonymous = 0;
    std::uint64_t tables = 0;
    std::uint64_t table_charge = 0;
    std::uint64_t reclaimable = 0;
    const char* problem = nullptr;
};

/// Free runs of one table's span, in pages.
struct FreeRuns {
    std::uint64_t leading = 0;
    std::uint64_t longest = 0;
    std::uint64_t trailing = 0;
    std::uint64_t span = 0;

    static FreeRuns uniform(std::uint64_t pages, bool free) {
        const std::uint64_t run = free ? pages : 0;
        return {run, run, run, pages};
    }
    void append(const FreeRuns& next) {
        longest = std::max({longest, next.longest, trailing + next.leading});
        leading = leading == span ? span + next.leading : leading;
        trailing = next.trailing == next.span ? trailing + next.span : next.trailing;
        span += next.span;
    }
};

/// Whether one entry could stand for the table is to be known at any time.
void examine_idleness(const TableRef& table, Truth& truth) {
    const Entry first = table.slots[0].load();
    bool alike = !first.present() && !first.is_parked();
    const PhysAddr frame = table.level == 1 ? private_frame(first, 1) : PhysAddr{};
    bool block = first.is_huge() && frame.value != 0 && !first.is_cow() &&
                 frame.value % level_size(block_level) == 0;
    unsigned differing = 0;
    for (unsigned index = 0; index < table_entries; ++index) {
        const Entry entry = table.slots[index].load();
        if (entry != first) alike = false;
        if (!entry.goes_on_from(first, index)) block = false;
        if (entry != table.descriptor->base) ++differing;
    }
    const bool idle = alike || block;
    if (idle) ++truth.reclaimable;
    if (idle != table.descriptor->idle) truth.problem = "an idle table is not known as such";
    if (differing != table.descriptor->differing) truth.problem = "differing slots are miscounted";
}

/// What is wrong with an entry about an object's page.
const char* examine_object(Entry entry, Level level, VirtAddr start, const IdTable* ids) {
    const EntryKind kind = entry.kind(level);
    if (kind == EntryKind::file || kind == EntryKind::shared) {
        if (ids == nullptr || ids->at(entry.id()).object == nullptr)
            return "an entry's id stands for nothing";
        return nullptr;
    }
    if (!entry.has_page() || !entry.is_object_page()) return nullptr;
    const PhysAddr frame = page_frame(entry);
    const Frame& record = frame_record(frame);
    const FrameKind kind_of_page =
        entry.is_graft(level) ? FrameKind::cache_table : FrameKind::cache;
    if (entry.is_counted() != (record.kind == kind_of_page))
        return "an entry counts a frame that is no object's, or the reverse";
    if (record.references.load() == 0) return "an object's page has no reference";
    if (entry.is_graft(level) &&
        (entry.hardware_writable() || entry.access().writable() || record.references.load() < 2))
        return "a graft is not as it must be";
    if (ids == nullptr || !ids->find(AttachmentKey::of_page(entry, start, frame)))
        return "an object's page belongs to no attachment";
    return nullptr;
}

/// What `table` promises of the table below `slot`, against what is free there.
const char* compare_slot(const TableRef& table, unsigned slot, const FreeRuns& runs, bool exact) {
    const Summary& summary = *table.descriptor->summary;
    const Level below = table.level - 1;
    bool too_little = false;
    bool too_much = false;
    const auto compare = [&](const PromisedSlots& slots, bool truth) {
        const bool promised = summary.promised(slots, slot);
        too_little = too_little || (truth && !promised);
        too_much = too_much || (promised && !truth);
    };
    for (unsigned at = 0; at < Summary::inside_classes; ++at)
        compare(summary.inside[at], runs.longest >= Summary::inside_pages(at, below));
    for (unsigned at = 0; at < Summary::edge_classes; ++at) {
        compare(summary.leading[at], runs.leading >= Summary::edge_pages(at, below));
        compare(summary.trailing[at], runs.trailing >= Summary::edge_pages(at, below));
    }
    if (too_little) return "a summary promises less than a table has free";
    if (exact && too_much) return "a settled summary promises too much";
    return nullptr;
}

/// Whether what a table promises covers what the tables below it do, as searches rely on.
bool covers_promise(const TableRef& table, unsigned slot, const TableRef& child, bool top) {
    const std::uint64_t pages = child.descriptor->longest.pages();
    if (pages == 0) return true;
    const unsigned class_of = Summary::inside_class(pages, child.level);
    return (top || table.descriptor->longest.pages() >= pages) &&
           table.descriptor->summary->promised(table.descriptor->summary->inside[class_of], slot);
}

/// Slots of `table` that lie outside of `range` belong to somebody else: the kernel's half in a
/// user root, what boot made in the kernel's.
/// `shared`: the entry that leads here says that other spaces may have the table.
FreeRuns examine(const TableRef& table, VirtRange range, bool top, bool exact, const IdTable* ids,
                 Truth& truth, bool shared = false) {
    const TableDescriptor& descriptor = *table.descriptor;
    ++truth.tables;
    truth.table_charge += table_charge(table.level);
    if (descriptor.level != table.level) truth.problem = "a descriptor has another level";
    if (descriptor.stale.load()) truth.problem = "a reachable table is marked stale";
    // Others may be about to copy a shared one, or to read a page of it for the first time.
    if (!shared && descriptor.lock.locked()) truth.problem = "a table is locked";
    FreeRuns runs;
    unsigned live = 0;
    std::uint64_t frames = 0;
    std::uint64_t charge = 0;
    for (unsigned index = 0; index < table_entries; ++index) {
        const VirtAddr start = table.address_of(index);
        const std::uint64_t pages = level_pages(table.level);
        const bool foreign = range.end <= start || start + level_size(table.level) <= range.start;
        const Entry entry = table.slots[index].load();
        const bool marked = (descriptor.free[index / 64] >> (index % 64) & 1) != 0;
        if (foreign && top) {
            if (marked && !entry.empty()) truth.problem = "a foreign slot is marked free";
            if (!marked && !entry.empty()) ++live;
            continue;
        }
        if (!entry.empty()) ++live;
        if (marked != entry.empty()) truth.problem = "the hole bitmap is wrong";
        if (entry.is_table(table.level)) {
            const TableRef child = table.below(entry, index);
            const FreeRuns below =
                examine(child, range, false, exact, ids, truth, entry.is_narrowed());
            runs.append(below);
            if (const char* problem = compare_slot(table, index, below, exact))
                truth.problem = problem;
            if (!covers_promise(table, index, child, top))
                truth.problem = "a table promises less than one below it";
        } else {
            charge += charge_of(entry, table.level);
            if (entry.is_not_plain())
                if (const char* problem = examine_object(entry, table.level, start, ids))
                    truth.problem = problem;
            if (const PhysAddr frame = private_frame(entry, table.level); frame.value != 0) {
                frames += pages;
                if (!shared && !entry.is_cow() && has_users(frame))
                    truth.problem = "a page with other users can be written";
            }
            runs.append(FreeRuns::uniform(pages, entry.empty()));
        }
    }
    truth.charge += shared ? charge_of_shared(descriptor) - table_charge(1) : charge;
    if (table.level == 1 && charge != descriptor.charge)
        truth.problem = "a table's charge is miscounted";
    if (!top && live != descriptor.live) truth.problem = "the live count is wrong";
    if (!shared && descriptor.references.load() != 1)
        truth.problem = "a table with other users can be written";
    if (shared && (table.level != 1 || descriptor.idle || descriptor.references.load() == 0))
        truth.problem = "a table with other users is not as it must be";
    if (!top && !shared) examine_idleness(table, truth);
    if (frames != descriptor.frames) truth.problem = "a table's count of private frames is wrong";
    if (!descriptor.idle && descriptor.kept_by != 0)
        truth.problem = "a table in use counts as idle";
    truth.anonymous += frames;
    if (!top && descriptor.longest.pages() < runs.longest)
        truth.problem = "a table promises less than it has free";
    if (exact && !top && descriptor.longest.pages() != runs.longest)
        truth.problem = "a settled table promises too much";
    return runs;
}

/// What is wrong with user mode's root: its user half must be the first root's, its kernel half the
/// kernel's second root's. Which entries the processor used may differ.
const char* compare_user_root(PhysAddr root, PhysAddr user_root) {
    constexpr std::uint64_t accessed = 1ULL << 5;
    const auto slots = [](PhysAddr table) { return static_cast<const Slot*>(direct(table)); };
    const Slot* const mirrored = slots(user_root);
    for (unsigned index = 0; index < table_entries; ++index) {
        const bool user = index < table_entries / 2;
        const Slot* const source = slots(user ? root : kernel_space().user_root());
        if (((mirrored[index].load().raw() ^ source[index].load().raw()) & ~accessed) != 0)
            return user ? "user mode's root differs" : "user mode's root shows more of the kernel";
    }
    return nullptr;
}

} // namespace

const char* validate(const AddressSpace& space, bool exact) {
    Truth truth;
    if (!space.is_kernel() && port::mirrored_roots()) {
        truth.tables = 1;
        truth.table_charge = 1;
        if (const char* problem = compare_user_root(space.root(), space.user_root()))
            return problem;
    }
    examine(table_at(space.root_, space.levels_, space.top_base()), space.range_, true, exact,
            space.ids(), truth);
    if (truth.problem != nullptr) return truth.problem;
    const AddressSpace::Counts counts = space.counts();
    if (truth.anonymous != counts.anonymous) return "the count of private frames is wrong";
    if (truth.tables != counts.tables) return "the count of tables is wrong";
    if (truth.table_charge != counts.table_charge) return "the charge of tables is wrong";
    if (truth.reclaimable != counts.reclaimable) return "the count of reclaimable tables is wrong";
    // Users of the account beside the map (handles, stacks) only add to it.
    if (space.account().charged().value < truth.charge + truth.table_charge)
        return "the charge is below what is promised";
    return nullptr;
}

namespace {

FreeRuns settle(const TableRef& table, VirtRange range, bool top) {
    // The mark first: what is freed from here on takes it away.
    const std::uint64_t marked = table.descriptor->longest.mark();
    FreeRuns runs;
    for (unsigned index = 0; index < table_entries; ++index) {
        const VirtAddr start = table.address_of(index);
        const bool foreign = range.end <= start || start + level_size(table.level) <= range.start;
        if (foreign && top) continue;
        const Entry entry = table.slots[index].load();
        if (!entry.is_table(table.level)) {
            runs.append(FreeRuns::uniform(level_pages(table.level), entry.empty()));
            continue;
        }
        runs.append(settle(table.below(entry, index), range, false));
        lower_slot(table, index);
    }
    if (top)
        table.descriptor->longest.keep(marked);
    else
        table.descriptor->longest.lower(marked, runs.longest);
    return runs;
}

} // namespace

void settle_promises(const AddressSpace& space) {
    settle(table_at(space.root_, space.levels_, space.top_base()), space.range_, true);
}

} // namespace vm
