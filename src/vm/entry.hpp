// SPDX-License-Identifier: MIT
// Entry: one 64-bit word of a paging structure, as a value that can only be made whole.
//
// Present (Intel SDM vol. 3A, tables 4-15 to 4-20; 52-58 are ignored by the processor, and 59-62 as
// long as protection keys are off in CR4, which they always are):
//
//   63 62 61   60..58 57        56..55 54..52   51..12 11         10  9      8 7  6 5 4   3   2 1 0
//   XD 0  huge access noreserve origin ceiling  frame  soft-dirty cow shared G PS D A PCD PWT U W 1
//
// PS is the page size above level 1; in a page table bit 7 is the PAT bit, and 0 here.
//
// Access is what was granted. W and XD are what the processor is told of it: a frame that has other
// users is not written, whatever was granted. Where the processor has no no-execute pages XD is
// reserved, and stays clear: only the processor reads it.
//
// Not present (DESIGN: never zero unless empty; 35..51 ones, against L1TF; 5..8 zero, since some
// processors write them):
//
//   63 62 61   60..58 57        56..55 54..52  51......35 34......12 11 10  9      8..5 4 3..1  0
//   0  0  huge access noreserve origin ceiling 1 ... 1    id         0  cow shared 0    0 state 0
//
// Parked keeps a frame: bits 12..51 hold the complement of its address.
//
// A graft is a table entry of level 2 that is "don't free me": the page table is an object's, and
// access, ceiling and intent stand here for all pages below it.
#pragma once

#include "vm/entry_view.hpp"

#include <type_traits>

namespace vm {

/// Options of a leaf beside frame and access.
struct LeafOptions {
    Intent intent{};
    MemoryType type = MemoryType::write_back;
    bool shared = false;
    bool cow = false; ///< the frame may have other users: the W bit is left clear
    bool user = true;
    bool global = false;
    bool soft_dirty = false;
};

class Entry {
public:
    /// Whether the processors have no-execute pages. At boot, before the first leaf is made.
    static void expect_no_execute(bool present) {
        no_execute_bit = present ? bit_execute_disable : 0;
    }

    /// A hole: all zero.
    constexpr Entry() = default;
    static constexpr Entry absent() { return Entry{}; }
    /// Allocated, no frame yet.
    static constexpr Entry lazy(Access access, Intent intent) {
        return not_present(state_lazy, Id{0}, access, intent, 0);
    }
    /// Memory of somebody else, named by the id.
    static constexpr Entry shared(Id id, Access access, Intent intent) {
        return not_present(state_shared, id, access, intent, bit_shared);
    }
    /// A file's memory object, named by the id.
    static constexpr Entry file(Id id, Access access, Intent intent) {
        return not_present(state_file, id, access, intent, 0);
    }
    /// A kernel function, named by the id.
    static constexpr Entry callback(Id id, Access access, Intent intent) {
        return not_present(state_callback, id, access, intent, 0);
    }
    /// Touched memory without rights. Precondition: `frame` aligned to the level's size, below
    /// 2^52.
    static constexpr Entry parked(PhysAddr frame, Intent intent, bool is_shared, bool is_cow) {
        return Entry{(state_parked << state_shift) | (~frame.value & frame_mask) |
                     intent_bits(intent) | (is_shared ? bit_shared : 0) | (is_cow ? bit_cow : 0)};
    }
    /// A page of an object that is not in its cache.
    static constexpr Entry uncached() {
        return not_present(state_uncached, Id{0}, Access::none(), Intent{}, 0);
    }
    /// A table one level down. Precondition: `frame` page-aligned, not 0.
    static constexpr Entry table(PhysAddr frame, bool user, bool writable = true) {
        return Entry{frame.value | bit_present | (writable ? bit_write : 0) |
                     (user ? bit_user : 0)};
    }
    /// A present leaf at `level` (1 to 3). Precondition: `frame` aligned to the level's size;
    /// access is not none (that is parked).
    static constexpr Entry leaf(PhysAddr frame, Access access, Level level,
                                const LeafOptions& options) {
        return Entry{
            frame.value | bit_present | (access.writable() && !options.cow ? bit_write : 0) |
            (options.user ? bit_user : 0) | (std::uint64_t(options.type) << memory_type_shift) |
            (level > 1 ? bit_page_size : 0) | (options.global ? bit_global : 0) |
            (options.shared ? bit_shared : 0) | (options.cow ? bit_cow : 0) |
            (options.soft_dirty ? bit_soft_dirty : 0) | (access.executable() ? 0 : no_execute()) |
            access_bits(access) | intent_bits(options.intent)};
    }

    /// A present leaf of a page table, with the access and intent of `promise`, a lazy entry or a
    /// leaf that it takes the place of. Precondition: as for `leaf`.
    static constexpr Entry page(PhysAddr frame, Entry promise, bool is_cow, bool is_user) {
        const Access access = promise.access();
        return Entry{frame.value | bit_present | (promise.bits_ & granted_mask) |
                     (access.writable() && !is_cow ? bit_write : 0) | (is_cow ? bit_cow : 0) |
                     (is_user ? bit_user : bit_global) | (access.executable() ? 0 : no_execute())};
    }

    /// A leaf of a page table about no page yet, for pages of an object that take the place of
    /// `promise`, which stands for them: see `about_page_of`. `is_cow`: of a private mapping.
    static constexpr Entry object_page(Entry promise, bool is_cow) {
        const Access access = promise.access();
        return Entry{bit_present | bit_user | bit_shared | (promise.bits_ & granted_mask) |
                     (is_cow              ? bit_cow
                      : access.writable() ? bit_write
                                          : 0) |
                     (access.executable() ? 0 : no_execute())};
    }

    /// Pages of an object, in the place of `promise`, which stands for them: read through a page
    /// table of the object's cache. Precondition: nothing of it may be written. `is_private`: of a
    /// private mapping.
    static constexpr Entry graft(PhysAddr table, Entry promise, bool is_private) {
        return Entry{table.value | bit_present | bit_user | bit_shared |
                     (is_private ? bit_cow : 0) | (promise.bits_ & granted_mask) |
                     (promise.access().executable() ? 0 : no_execute())};
    }

    /// Which alternative this is in a table at `level`.
    constexpr EntryKind kind(Level level) const {
        if ((bits_ & bit_present) != 0) {
            if (level > 1 && (bits_ & bit_page_size) == 0) [[unlikely]]
                return is_shared() ? EntryKind::graft : EntryKind::table;
            return EntryKind::leaf;
        }
        if (bits_ == 0) return EntryKind::empty;
        return static_cast<EntryKind>(((bits_ >> state_shift) & 7) + 2);
    }
    /// Everything that it says, as exactly one alternative. A total function: `view` of what the
    /// constructors made gives their arguments back.
    constexpr EntryView view(Level level) const;

    constexpr bool empty() const { return bits_ == 0; }
    constexpr bool present() const { return (bits_ & bit_present) != 0; }
    /// A table of a space's paging structure: one of its own, or one that other spaces have too.
    constexpr bool is_table(Level level) const {
        return level > 1 && (bits_ & (bit_present | bit_page_size | bit_shared)) == bit_present;
    }
    /// An object's page table, and the space's as long as it stands here.
    constexpr bool is_graft(Level level) const {
        return level > 1 &&
               (bits_ & (bit_present | bit_page_size | bit_shared)) == (bit_present | bit_shared);
    }
    /// Of an entry of an upper table: a table that no other space has, nor can have meanwhile.
    constexpr bool is_own_table() const {
        return (bits_ & (bit_present | bit_page_size | bit_write)) == (bit_present | bit_write);
    }
    /// Of a table: nothing below it may be written through this entry, since it may have other
    /// parents.
    constexpr bool is_narrowed() const { return (bits_ & bit_write) == 0; }
    constexpr bool is_leaf(Level level) const {
        return present() && (level == 1 || (bits_ & bit_page_size) != 0);
    }
    /// Frame of a present entry (table or leaf).
    constexpr PhysAddr frame() const { return PhysAddr{bits_ & frame_mask}; }
    constexpr Intent intent() const {
        return {Ceiling::from_bits(static_cast<unsigned>(bits_ >> ceiling_shift)),
                static_cast<Origin>((bits_ >> origin_shift) & 3), (bits_ & bit_noreserve) != 0,
                is_huge()};
    }
    /// Intent::huge.
    constexpr bool is_huge() const { return (bits_ & bit_huge) != 0; }
    /// The same without it.
    constexpr Entry without_huge() const { return Entry{bits_ & ~bit_huge}; }
    /// Rights as granted, of a leaf or a not-present entry; none for empty, parked and tables.
    constexpr Access access() const {
        return Access{static_cast<unsigned>((bits_ >> access_shift) & 7)};
    }
    constexpr bool is_parked() const {
        return (bits_ & (bit_present | (7ULL << state_shift))) == state_parked << state_shift;
    }
    /// Frame of a parked entry.
    constexpr PhysAddr parked_frame() const { return PhysAddr{~bits_ & frame_mask}; }
    /// Of two present leaves: whether a translation cached from `old` grants nothing that this one
    /// does not, so that it need not be flushed for rights' sake.
    constexpr bool allows_all_of(Entry old) const {
        constexpr std::uint64_t typed = bit_user | (3ULL << memory_type_shift) | bit_page_size;
        return ((bits_ ^ old.bits_) & typed) == 0 &&
               (old.bits_ & (bit_write | bit_executable) & ~bits_) == 0;
    }
    /// Of two entries of one table, this one no table: whether they say the same. Pages that are
    /// nobody else's may differ in their frames, and in accessed and dirty bits.
    constexpr bool is_alike(Entry other) const {
        return ((bits_ ^ other.bits_) & bits_alike()) == 0;
    }
    /// The bits in which those that are alike agree.
    constexpr std::uint64_t bits_alike() const { return is_sole_page() ? ~page_bits_mask : ~0ULL; }
    /// Whether both are present and about one frame, with the same owner.
    constexpr bool has_page_of(Entry other) const {
        return ((bits_ ^ other.bits_) & (frame_mask | bit_shared | bit_present)) == 0 && present();
    }
    /// This present entry, with the other's accessed and dirty bits beside its own.
    constexpr Entry used_as(Entry other) const {
        return Entry{bits_ | (other.bits_ & (bit_accessed | bit_dirty))};
    }
    /// What this one says, if it says something about a page, about that of another, which is
    /// present: with its accessed and dirty bits, or parked.
    constexpr Entry about_page_of(Entry other) const {
        if (is_parked()) return Entry{(bits_ & ~frame_mask) | (~other.bits_ & frame_mask)};
        if (!present()) return *this;
        return Entry{(bits_ & ~page_bits_mask) | (other.bits_ & page_bits_mask)};
    }
    /// Of a leaf or a parked entry of level 2: what entry `index` of a page table in its place
    /// says.
    constexpr Entry page_of_block(unsigned index) const {
        const std::uint64_t offset = std::uint64_t{index} << page_bits;
        if (!present()) return Entry{bits_ - offset}; // the complement of the address
        const bool pat = (bits_ & bit_large_pat) != 0;
        return Entry{(bits_ & ~(bit_large_pat | bit_page_size)) + offset + (pat ? bit_pat : 0)};
    }
    /// Of the first page of a page table: what an entry of level 2 in the table's place says.
    constexpr Entry block_of_page() const {
        if (!present()) return *this;
        const bool pat = (bits_ & bit_pat) != 0;
        return Entry{(bits_ & ~bit_pat) | bit_page_size | (pat ? bit_large_pat : 0)};
    }
    /// Of two entries of a page table that hold frames: whether this one says about the page
    /// `pages` further on what the other says about its own.
    constexpr bool goes_on_from(Entry other, unsigned pages) const {
        constexpr std::uint64_t used = bit_accessed | bit_dirty;
        const std::uint64_t offset = std::uint64_t{pages} << page_bits;
        const std::uint64_t wanted = other.present() ? other.bits_ + offset : other.bits_ - offset;
        return ((bits_ ^ wanted) & ~used) == 0;
    }
    /// This one, which has a page, where the page's frame may have other users from now on.
    constexpr Entry with_users() const {
        return Entry{(present() ? bits_ & ~bit_write : bits_) | bit_cow};
    }
    /// Of a present page of a space's own: what stands for it, not present, while it goes to
    /// another one. It keeps its rights, which a parked one has none of.
    constexpr Entry in_transit() const {
        return Entry{(state_parked << state_shift) | (~bits_ & frame_mask) |
                     (bits_ & (granted_mask | bit_cow))};
    }
    constexpr bool is_in_transit() const { return is_parked() && access() != Access::none(); }
    /// The page again, in a table at `level`, not accessed and not written.
    constexpr Entry arrived(Level level) const {
        return leaf(parked_frame(), access(), level, {.intent = intent(), .cow = is_cow()});
    }
    /// The same with no rights beyond `most`, of one that is not empty, no table, and does not name
    /// an object. `zeros`: the frame of zeros.
    constexpr Entry limited(Level level, Ceiling most, PhysAddr zeros) const;
    /// Present or parked.
    constexpr bool has_page() const { return present() || is_parked(); }
    /// Of an entry of a page table: a present page that nobody else has.
    constexpr bool is_sole_page() const {
        return (bits_ & (bit_present | bit_shared | bit_cow)) == bit_present;
    }
    /// "Don't free me".
    constexpr bool is_shared() const { return (bits_ & bit_shared) != 0; }
    constexpr bool is_cow() const { return (bits_ & bit_cow) != 0; }
    /// Of a present or parked entry that is "don't free me": its frame is an object's, and counts
    /// this reference; windows are not counted.
    constexpr bool is_counted() const { return (bits_ & (bit_shared | bit_foreign)) == bit_shared; }
    /// What no page of a space's own anonymous memory is: "don't free me", or of another origin.
    constexpr bool is_not_plain() const {
        return (bits_ & (bit_shared | bit_file | bit_foreign)) != 0;
    }
    /// Of a present or parked entry: it is a page of an object's, or a private copy of one.
    constexpr bool is_object_page() const {
        return is_counted() || (bits_ & (bit_file | bit_foreign)) == bit_file;
    }
    /// Of an entry of a page table: present, and not "don't free me".
    constexpr bool is_own_page() const {
        return (bits_ & (bit_present | bit_shared)) == bit_present;
    }
    /// Of a present entry: the processor lets writes through.
    constexpr bool hardware_writable() const { return (bits_ & bit_write) != 0; }
    /// Of a present entry: user mode may use it.
    constexpr bool user() const { return (bits_ & bit_user) != 0; }
    constexpr bool dirty() const { return (bits_ & bit_dirty) != 0; }
    constexpr bool accessed() const { return (bits_ & bit_accessed) != 0; }
    /// Of a leaf.
    constexpr MemoryType memory_type() const {
        return static_cast<MemoryType>((bits_ >> memory_type_shift) & 3);
    }
    /// Id of a shared, file or callback entry.
    constexpr Id id() const {
        return Id{static_cast<std::uint32_t>(bits_ >> page_bits) & (id_limit - 1)};
    }
    /// The word itself, to look at.
    constexpr std::uint64_t raw() const { return bits_; }
    constexpr bool operator==(const Entry&) const = default;

private:
    friend class Slot;
    friend class RightsChange;
    static constexpr unsigned state_shift = 1;
    static constexpr unsigned memory_type_shift = 3;
    static constexpr unsigned ceiling_shift = 52;
    static constexpr unsigned origin_shift = 55;
    static constexpr unsigned access_shift = 58;
    static constexpr std::uint64_t bit_present = 1ULL << 0;
    static constexpr std::uint64_t bit_write = 1ULL << 1;
    static constexpr std::uint64_t bit_user = 1ULL << 2;
    static constexpr std::uint64_t bit_accessed = 1ULL << 5;
    static constexpr std::uint64_t bit_dirty = 1ULL << 6;
    static constexpr std::uint64_t bit_page_size = 1ULL << 7;
    static constexpr std::uint64_t bit_pat = 1ULL << 7; ///< level 1
    static constexpr std::uint64_t bit_large_pat = 1ULL << 12;
    static constexpr std::uint64_t bit_global = 1ULL << 8;
    static constexpr std::uint64_t bit_shared = 1ULL << 9;
    static constexpr std::uint64_t bit_cow = 1ULL << 10;
    static constexpr std::uint64_t bit_soft_dirty = 1ULL << 11;
    static constexpr std::uint64_t bit_file = static_cast<std::uint64_t>(Origin::file)
                                              << origin_shift;
    /// Set in the origins of what is no object's: windows, callbacks.
    static constexpr std::uint64_t bit_foreign = static_cast<std::uint64_t>(Origin::window)
                                                 << origin_shift;
    static constexpr std::uint64_t bit_noreserve = 1ULL << 57;
    static constexpr std::uint64_t bit_executable = std::uint64_t{abi::access_execute}
                                                    << access_shift;
    static constexpr std::uint64_t bit_huge = 1ULL << 61;
    static constexpr std::uint64_t bit_execute_disable = 1ULL << 63;
    static constexpr std::uint64_t frame_mask = ((1ULL << 52) - 1) & ~(page_size - 1);
    /// What differs between neighbouring pages of a range that was mapped as one.
    static constexpr std::uint64_t page_bits_mask = frame_mask | bit_accessed | bit_dirty;
    /// Access and intent, in entries of all kinds.
    static constexpr std::uint64_t granted_mask = ((1ULL << 62) - 1) & ~((1ULL << 52) - 1);
    static constexpr std::uint64_t inverted_mask = ((1ULL << 52) - 1) & ~((1ULL << 35) - 1);
    // States of not-present entries; EntryKind's number less 2.
    static constexpr std::uint64_t state_lazy = 1;
    static constexpr std::uint64_t state_shared = 2;
    static constexpr std::uint64_t state_file = 3;
    static constexpr std::uint64_t state_callback = 4;
    static constexpr std::uint64_t state_parked = 5;
    static constexpr std::uint64_t state_uncached = 6;

    constexpr explicit Entry(std::uint64_t bits) : bits_(bits) {}

    /// Bit 63 of a leaf that is not executable: it comes from nowhere else, and nothing reads it.
    static constexpr std::uint64_t no_execute() {
        return std::is_constant_evaluated() ? bit_execute_disable : no_execute_bit;
    }
    static inline constinit std::uint64_t no_execute_bit = bit_execute_disable;

    static constexpr std::uint64_t intent_bits(Intent intent) {
        return (std::uint64_t{intent.ceiling.bits()} << ceiling_shift) |
               (static_cast<std::uint64_t>(intent.origin) << origin_shift) |
               (intent.noreserve ? bit_noreserve : 0) | (intent.huge ? bit_huge : 0);
    }
    static constexpr std::uint64_t access_bits(Access access) {
        return std::uint64_t{access.bits()} << access_shift;
    }
    static constexpr Entry not_present(std::uint64_t state, Id id, Access access, Intent intent,
                                       std::uint64_t flags) {
        return Entry{(state << state_shift) | (std::uint64_t{id.value % id_limit} << page_bits) |
                     inverted_mask | access_bits(access) | intent_bits(intent) | flags};
    }

    std::uint64_t bits_ = 0;
};
static_assert(sizeof(Entry) == 8);

/// How an entry becomes another one about the same page: bits that go, then bits that come, so that
/// it is never writable and executable in between.
class RightsChange {
public:
    constexpr RightsChange(Entry old, Entry now)
        : gone_(old.bits_ & ~now.bits_ & ~Entry::page_bits_mask),
          come_(now.bits_ & ~old.bits_ & ~Entry::page_bits_mask) {}
    constexpr bool takes() const { return gone_ != 0; }
    constexpr bool gives() const { return come_ != 0; }

private:
    friend class Slot;
    std::uint64_t gone_;
    std::uint64_t come_;
};

constexpr EntryView Entry::view(Level level) const {
    switch (kind(level)) {
    case EntryKind::empty: return EmptyView{};
    case EntryKind::table: return TableView{frame(), hardware_writable(), user()};
    case EntryKind::leaf:
        return LeafView{.frame = frame(),
                        .access = access(),
                        .intent = intent(),
                        .type = memory_type(),
                        .shared = is_shared(),
                        .cow = is_cow(),
                        .user = user(),
                        .global = (bits_ & bit_global) != 0,
                        .accessed = accessed(),
                        .dirty = dirty(),
                        .soft_dirty = (bits_ & bit_soft_dirty) != 0};
    case EntryKind::graft: return GraftView{frame(), access(), intent(), is_cow()};
    case EntryKind::lazy: return LazyView{access(), intent()};
    case EntryKind::shared: return SharedView{id(), access(), intent()};
    case EntryKind::file: return FileView{id(), access(), intent()};
    case EntryKind::callback: return CallbackView{id(), access(), intent()};
    case EntryKind::parked:
        return ParkedView{PhysAddr{~bits_ & frame_mask}, intent(), is_shared(), is_cow()};
    case EntryKind::uncached: return UncachedView{};
    }
    return EmptyView{};
}

constexpr Entry Entry::limited(Level level, Ceiling most, PhysAddr zeros) const {
    Intent kept = intent();
    kept.ceiling = most.cut(kept.ceiling);
    const Access left = most.cut(access());
    switch (kind(level)) {
    case EntryKind::lazy: return lazy(left, kept);
    case EntryKind::callback: return callback(id(), left, kept);
    case EntryKind::parked: return parked(parked_frame(), kept, is_shared(), is_cow());
    case EntryKind::leaf: break;
    default: return *this;
    }
    if (left == Access::none())
        return !is_shared() && frame() == zeros ? lazy(left, kept)
                                                : parked(frame(), kept, is_shared(), is_cow());
    return leaf(frame(), left, level,
                {.intent = kept,
                 .type = memory_type(),
                 .shared = is_shared(),
                 .cow = is_cow(),
                 .user = user()})
        .used_as(*this);
}

// The SDM's positions (vol. 3A, tables 4-15 to 4-20), said once more as values.
static_assert(Entry::table(PhysAddr{0x1000}, true).raw() == 0x1007);
static_assert(Entry::graft(PhysAddr{0x1000}, Entry::file(Id{7}, Access::read(), {}), true).raw() ==
              0x8400000000001605);
static_assert(Entry::leaf(PhysAddr{0x2000}, Access::read_execute(), 1, {}).raw() ==
              0x1400000000002005);
static_assert(Entry::leaf(PhysAddr{0x2000}, Access::read(), 1, {}).raw() == 0x8400000000002005);
static_assert(Entry::leaf(PhysAddr{0x200000}, Access::read_write(), 2, {.global = true}).raw() ==
              0x8c00000000200187);
static_assert(Entry::leaf(PhysAddr{0x2000}, Access::read_write(), 1,
                          {.type = MemoryType::uncached, .shared = true, .cow = true})
                  .raw() == 0x8c0000000000261d);
static_assert(Entry::object_page(Entry::file(Id{7}, Access::read_write(), {Ceiling::all()}),
                                 true) ==
              Entry::leaf(PhysAddr{}, Access::read_write(), 1,
                          {.intent = {Ceiling::all()}, .shared = true, .cow = true}));
static_assert(Entry::absent().raw() == 0);
static_assert(Entry::page(PhysAddr{0x2000}, Entry::lazy(Access::read_write(), {Ceiling::all()}),
                          false, true) ==
              Entry::leaf(PhysAddr{0x2000}, Access::read_write(), 1, {.intent = {Ceiling::all()}}));

} // namespace vm
