// SPDX-License-Identifier: MIT
// vm::Entry: every state at every level says exactly what it was made from, in the SDM's bits.
#include "vm/entry.hpp"

#include "shim/walker.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

namespace {

using namespace vm;

constexpr std::uint64_t address_width = 52;
constexpr Access all_access[] = {Access::none(), Access::read(), Access::read_write(),
                                 Access::read_execute()};
constexpr Origin all_origins[] = {Origin::anonymous, Origin::file, Origin::window,
                                  Origin::callback};
constexpr MemoryType all_types[] = {MemoryType::write_back, MemoryType::write_combining,
                                    MemoryType::uncached};

// ---- what cannot be spelled
// ----------------------------------------------------------------------

template <typename T>
concept MakesEntryFromWord = requires(T word) { Entry{word}; };
template <typename T>
concept MakesAccessFromBits = requires(T word) { Access{word}; };
template <typename T>
concept MakesCeilingFromBits = requires(T word) { Ceiling{word}; };
template <typename T>
concept NamesReadWriteExecute =
    requires { T::read_write_execute(); } || requires { T::all(); } || requires { T::write(); };
template <typename T>
concept CombinesAccess = requires(T a, T b) { a | b; } || requires(T a, T b) { a + b; };
template <typename T>
concept HasSetters = requires(T entry) { entry.set(0); } || requires(T entry) { entry |= entry; };
static_assert(!MakesEntryFromWord<std::uint64_t> && !MakesEntryFromWord<int>);
static_assert(!std::is_constructible_v<Entry, std::uint64_t>);
static_assert(!std::is_convertible_v<std::uint64_t, Entry>);
static_assert(!MakesAccessFromBits<unsigned> && !MakesAccessFromBits<int>);
static_assert(!MakesCeilingFromBits<unsigned>);
static_assert(!NamesReadWriteExecute<Access>);
static_assert(!CombinesAccess<Access>);
static_assert(!HasSetters<Entry>);
static_assert(std::is_trivially_copyable_v<Entry> && sizeof(Entry) == 8);

// ---- SDM vol. 3A, tables 4-15 to 4-20, against the walker's own constants
// -------------------------

/// Access as granted, in bits that the processor ignores.
constexpr std::uint64_t access_bits(abi::Access access) { return std::uint64_t{access} << 58; }
constexpr std::uint64_t raw_table(bool user, bool writable) {
    return Entry::table(PhysAddr{0x1000}, user, writable).raw();
}
static_assert((raw_table(false, false) & 0xfff) == shim::bits::present);
static_assert((raw_table(true, false) ^ raw_table(false, false)) == shim::bits::user_supervisor);
static_assert((raw_table(true, true) ^ raw_table(true, false)) == shim::bits::read_write);
constexpr std::uint64_t raw_leaf(Level level, LeafOptions options) {
    return Entry::leaf(PhysAddr{1ULL << 30}, Access::read_execute(), level, options).raw();
}
static_assert((raw_leaf(1, {}) & 0xfff) == (shim::bits::present | shim::bits::user_supervisor));
static_assert((raw_leaf(2, {}) ^ raw_leaf(1, {})) == shim::bits::page_size);
static_assert((raw_leaf(3, {}) ^ raw_leaf(1, {})) == shim::bits::page_size);
static_assert((raw_leaf(1, {.global = true}) ^ raw_leaf(1, {})) == shim::bits::global);
static_assert((raw_leaf(1, {.user = false}) ^ raw_leaf(1, {})) == shim::bits::user_supervisor);
static_assert((raw_leaf(1, {.type = MemoryType::write_combining}) ^ raw_leaf(1, {})) ==
              shim::bits::write_through);
static_assert((raw_leaf(1, {.type = MemoryType::uncached}) ^ raw_leaf(1, {})) ==
              (shim::bits::write_through | shim::bits::cache_disable));
static_assert((Entry::leaf(PhysAddr{0x1000}, Access::read(), 1, {}).raw() ^
               Entry::leaf(PhysAddr{0x1000}, Access::read_execute(), 1, {}).raw()) ==
              (shim::bits::execute_disable | access_bits(abi::access_execute)));
static_assert((Entry::leaf(PhysAddr{0x1000}, Access::read(), 1, {}).raw() ^
               Entry::leaf(PhysAddr{0x1000}, Access::read_write(), 1, {}).raw()) ==
              (shim::bits::read_write | access_bits(abi::access_write)));
static_assert((Entry::leaf(PhysAddr{0x1000}, Access::read(), 1, {.cow = true}).raw() ^
               Entry::leaf(PhysAddr{0x1000}, Access::read_write(), 1, {.cow = true}).raw()) ==
              access_bits(abi::access_write));
static_assert(level_size(1) == 4096 && level_size(2) == 0x200000 && level_size(3) == 0x40000000);
static_assert(level_size(4) == 0x8000000000 && level_size(5) == 0x1000000000000);
static_assert(level_pages(3) == 262144 && level_shift(5) == 48);
static_assert(level_index(VirtAddr{0xffffffffffffffff}, 4) == 511);
static_assert(level_index(VirtAddr{0x00007fffffe01000}, 1) == 1);

// ---- generators
// ----------------------------------------------------------------------------------

template <typename Function>
void for_each_intent(Function function) {
    for (unsigned ceiling = 0; ceiling < 8; ++ceiling) {
        for (const Origin origin : all_origins) {
            for (const bool noreserve : {false, true})
                function(Intent{Ceiling::from_bits(ceiling), origin, noreserve});
        }
    }
}

template <typename Function>
void for_each_leaf_option(Function function) {
    for_each_intent([&](Intent intent) {
        for (const MemoryType type : all_types) {
            for (unsigned flags = 0; flags < 32; ++flags) {
                function(LeafOptions{.intent = intent,
                                     .type = type,
                                     .shared = (flags & 1) != 0,
                                     .cow = (flags & 2) != 0,
                                     .user = (flags & 4) != 0,
                                     .global = (flags & 8) != 0,
                                     .soft_dirty = (flags & 16) != 0});
            }
        }
    });
}

/// Frames with every single bit, both ends, aligned to what a leaf at `level` needs.
std::vector<PhysAddr> edge_frames(Level level) {
    const std::uint64_t size = level_size(level);
    std::vector<PhysAddr> frames{{0}, {(1ULL << address_width) - size}};
    for (unsigned bit = level_shift(level); bit < address_width; ++bit) {
        frames.push_back({1ULL << bit});
        frames.push_back({((1ULL << address_width) - size) & ~(1ULL << bit)});
    }
    return frames;
}

std::vector<Id> edge_ids() {
    std::vector<Id> ids{{0}, {id_limit - 1}};
    for (unsigned bit = 0; bit < 23; ++bit) {
        ids.push_back({1U << bit});
        ids.push_back({(id_limit - 1) & ~(1U << bit)});
    }
    return ids;
}

// ---- laws
// ----------------------------------------------------------------------------------------

/// DESIGN 2.2: bit 0 clear, 5 to 8 zero, 63 free; 35 to 51 all ones unless parked.
void obeys_not_present_law(Entry entry) {
    const std::uint64_t raw = entry.raw();
    bool holds = raw != 0 && (raw & 1) == 0 && (raw & 0x1e0) == 0 && raw >> 63 == 0;
    if (entry.kind(1) != EntryKind::parked)
        holds = holds && (raw & 0x000ffff800000000) == 0x000ffff800000000;
    CHECK_MESSAGE(holds, "entry ", raw);
}

LeafView expected_leaf(PhysAddr frame, Access access, const LeafOptions& options) {
    return {.frame = frame,
            .access = access,
            .intent = options.intent,
            .type = options.type,
            .shared = options.shared,
            .cow = options.cow,
            .user = options.user,
            .global = options.global,
            .accessed = false,
            .dirty = false,
            .soft_dirty = options.soft_dirty};
}

/// doctest's CHECK is slow in millions: only failures are told to it.
void expect(bool holds, Entry entry, const char* what) {
    if (!holds) CHECK_MESSAGE(holds, what, ": ", entry.raw());
}

void check_leaf(PhysAddr frame, Access access, Level level, const LeafOptions& options) {
    const Entry entry = Entry::leaf(frame, access, level, options);
    expect(entry.view(level) == EntryView{expected_leaf(frame, access, options)}, entry, "view");
    expect(entry.kind(level) == EntryKind::leaf && entry.is_leaf(level) && entry.present(), entry,
           "kind");
    expect(entry.access() == access && entry.frame() == frame, entry, "access");
    expect(entry.hardware_writable() == (access.writable() && !options.cow), entry, "W");
    const shim::Processor wide{.physical_bits = address_width};
    expect((shim::reserved_bits(wide, level, entry.raw()) & entry.raw()) == 0, entry, "reserved");
    // The same to a processor without no-execute pages, but for the bit that is reserved there.
    Entry::expect_no_execute(false);
    const Entry old = Entry::leaf(frame, access, level, options);
    Entry::expect_no_execute(true);
    const shim::Processor plain{.physical_bits = address_width, .no_execute = false};
    expect((shim::reserved_bits(plain, level, old.raw()) & old.raw()) == 0, old,
           "reserved without");
    expect(old.view(level) == entry.view(level) && old.access() == access, old, "view without");
    expect((entry.raw() ^ old.raw()) == (access.executable() ? 0 : shim::bits::execute_disable),
           old, "bit 63");
}

template <typename View, typename Make>
void check_state(EntryKind kind, Make make) {
    const auto check = [&](Id id, Access access, Intent intent) {
        const Entry entry = make(id, access, intent);
        for (Level level = 1; level <= level_max; ++level) {
            expect(entry.kind(level) == kind, entry, "kind");
            expect(entry.view(level) == EntryView{View{id, access, intent}}, entry, "view");
            expect(!entry.is_table(level) && !entry.is_leaf(level), entry, "absent");
        }
        expect(entry.id() == id && entry.access() == access && entry.intent() == intent, entry,
               "fields");
    };
    std::mt19937_64 random(1);
    for_each_intent([&](Intent intent) {
        for (const Access access : all_access) {
            for (const Id id : edge_ids()) {
                check(id, access, intent);
                obeys_not_present_law(make(id, access, intent));
            }
        }
    });
    for (unsigned n = 0; n < 1'000'000 / 4; ++n) {
        const std::uint64_t word = random();
        const Id id{static_cast<std::uint32_t>(word % id_limit)};
        const Intent intent{Ceiling::from_bits(static_cast<unsigned>(word >> 23)),
                            all_origins[word >> 30 & 3], (word >> 32 & 1) != 0};
        check(id, all_access[word >> 33 & 3], intent);
    }
}

} // namespace

TEST_CASE("a hole is the word 0") {
    CHECK(Entry::absent() == Entry{});
    CHECK(Entry{}.raw() == 0);
    CHECK(Entry{}.empty());
    for (Level level = 1; level <= level_max; ++level) {
        CHECK(Entry{}.kind(level) == EntryKind::empty);
        CHECK(Entry{}.view(level) == EntryView{EmptyView{}});
    }
    CHECK(Entry{}.access() == Access::none());
}

TEST_CASE("lazy entries say their rights and intent") {
    for_each_intent([](Intent intent) {
        for (const Access access : all_access) {
            const Entry entry = Entry::lazy(access, intent);
            obeys_not_present_law(entry);
            for (Level level = 1; level <= level_max; ++level) {
                expect(entry.kind(level) == EntryKind::lazy, entry, "kind");
                expect(entry.view(level) == EntryView{LazyView{access, intent}}, entry, "view");
            }
        }
    });
}

TEST_CASE("entries with an id say it whole: every bit, both ends, random ones") {
    check_state<SharedView>(EntryKind::shared, [](Id id, Access access, Intent intent) {
        return Entry::shared(id, access, intent);
    });
    check_state<FileView>(EntryKind::file, [](Id id, Access access, Intent intent) {
        return Entry::file(id, access, intent);
    });
    check_state<CallbackView>(EntryKind::callback, [](Id id, Access access, Intent intent) {
        return Entry::callback(id, access, intent);
    });
    CHECK(Entry::shared(Id{5}, Access::read(), {}).is_shared());
    CHECK_FALSE(Entry::file(Id{5}, Access::read(), {}).is_shared());
}

TEST_CASE("an uncached entry is told from every other") {
    const Entry entry = Entry::uncached();
    obeys_not_present_law(entry);
    for (Level level = 1; level <= level_max; ++level)
        CHECK(entry.view(level) == EntryView{UncachedView{}});
}

TEST_CASE("a parked entry keeps its frame as a complement") {
    const auto check = [](PhysAddr frame, Intent intent, bool shared, bool cow) {
        const Entry entry = Entry::parked(frame, intent, shared, cow);
        obeys_not_present_law(entry);
        for (Level level = 1; level <= leaf_level_max; ++level) {
            expect(entry.view(level) == EntryView{ParkedView{frame, intent, shared, cow}}, entry,
                   "view");
        }
        expect(entry.access() == Access::none(), entry, "access");
    };
    for_each_intent([&](Intent intent) {
        for (const PhysAddr frame : edge_frames(1)) {
            for (unsigned flags = 0; flags < 4; ++flags)
                check(frame, intent, (flags & 1) != 0, (flags & 2) != 0);
        }
    });
    // L1TF: with memory in the lower half of the physical address space, what stands in 12..51
    // of a parked entry points into the upper half, whatever the width.
    for (unsigned width = 36; width <= address_width; ++width) {
        const PhysAddr frame{((1ULL << (width - 1)) - 1) & ~0xfffULL};
        const std::uint64_t raw = Entry::parked(frame, {}, false, false).raw();
        CHECK((raw >> (width - 1) & 1) == 1);
    }
}

TEST_CASE("leaves: all combinations of fields") {
    for (Level level = 1; level <= leaf_level_max; ++level) {
        const PhysAddr frame{0x5a5a5ULL << level_shift(leaf_level_max)};
        for_each_leaf_option([&](const LeafOptions& options) {
            for (const Access access : all_access) {
                if (access == Access::none()) continue;
                check_leaf(frame, access, level, options);
            }
        });
    }
}

TEST_CASE("leaves: every bit of the frame, both ends, a million random ones") {
    std::mt19937_64 random(2);
    for (Level level = 1; level <= leaf_level_max; ++level) {
        for (const PhysAddr frame : edge_frames(level)) {
            for (const Access access : {all_access[1], all_access[2], all_access[3]}) {
                check_leaf(frame, access, level, {});
                check_leaf(frame, access, level,
                           {.intent = {Ceiling::all(), Origin::callback, true},
                            .type = MemoryType::uncached,
                            .shared = true,
                            .global = true,
                            .soft_dirty = true});
            }
        }
        for (unsigned n = 0; n < 1'000'000 / 3; ++n) {
            const std::uint64_t word = random();
            const PhysAddr frame{(word & ((1ULL << address_width) - 1)) & ~(level_size(level) - 1)};
            const std::uint64_t fields = random();
            const Access access = all_access[1 + fields % 3];
            const LeafOptions options{
                .intent = {Ceiling::from_bits(static_cast<unsigned>(fields >> 8)),
                           all_origins[fields >> 16 & 3], (fields >> 18 & 1) != 0},
                .type = all_types[(fields >> 20) % 3],
                .shared = (fields >> 24 & 1) != 0,
                .cow = (fields >> 25 & 1) != 0,
                .user = (fields >> 26 & 1) != 0,
                .global = (fields >> 27 & 1) != 0,
                .soft_dirty = (fields >> 28 & 1) != 0};
            check_leaf(frame, access, level, options);
        }
    }
}

TEST_CASE("tables: all fields, every bit of the frame") {
    for (Level level = 2; level <= level_max; ++level) {
        for (const PhysAddr frame : edge_frames(1)) {
            if (frame.value == 0) continue;
            for (unsigned flags = 0; flags < 4; ++flags) {
                const bool user = (flags & 1) != 0;
                const bool writable = (flags & 2) != 0;
                const Entry entry = Entry::table(frame, user, writable);
                expect(entry.view(level) == EntryView{TableView{frame, writable, user}}, entry,
                       "view");
                expect(entry.kind(level) == EntryKind::table && entry.is_table(level) &&
                           !entry.is_graft(level) && !entry.is_leaf(level),
                       entry, "kind");
                const shim::Processor wide{.physical_bits = address_width};
                expect((shim::reserved_bits(wide, level, entry.raw()) & entry.raw()) == 0, entry,
                       "reserved");
            }
        }
    }
}

TEST_CASE("grafts: tables that the processor only reads through, with rights for all below") {
    const shim::Processor wide{.physical_bits = address_width};
    for (const PhysAddr table : edge_frames(1)) {
        if (table.value == 0) continue;
        for_each_intent([&](Intent intent) {
            for (const Access access : {Access::read(), Access::read_execute()}) {
                for (const bool is_private : {false, true}) {
                    const Entry promise = Entry::file(Id{77}, access, intent);
                    const Entry entry = Entry::graft(table, promise, is_private);
                    expect(entry.view(2) == EntryView{GraftView{table, access, intent, is_private}},
                           entry, "view");
                    expect(entry.kind(2) == EntryKind::graft && entry.is_graft(2) &&
                               !entry.is_table(2) && !entry.is_leaf(2) && !entry.is_own_table(),
                           entry, "kind");
                    expect((entry.raw() & 0x1ff) ==
                               (shim::bits::present | shim::bits::user_supervisor),
                           entry, "what the processor reads");
                    expect(((entry.raw() & shim::bits::execute_disable) == 0) ==
                               access.executable(),
                           entry, "execution");
                    expect((shim::reserved_bits(wide, 2, entry.raw()) & entry.raw()) == 0, entry,
                           "reserved");
                    expect(entry.has_page() && entry.is_shared() && !entry.is_sole_page(), entry,
                           "don't free me");
                }
            }
        });
    }
}

TEST_CASE("of two leaves, rights that only the old one has are told, whatever the processor has") {
    for (const bool no_execute : {true, false}) {
        Entry::expect_no_execute(no_execute);
        for (const Access before : all_access) {
            for (const Access after : all_access) {
                if (before == Access::none() || after == Access::none()) continue;
                const Entry old = Entry::leaf(PhysAddr{0x1000}, before, 1, {});
                const Entry now = Entry::leaf(PhysAddr{0x1000}, after, 1, {});
                CHECK(now.allows_all_of(old) == after.covers(before));
                const bool told = (now.raw() & shim::bits::execute_disable) != 0;
                CHECK(told == (no_execute && !after.executable()));
            }
        }
    }
    Entry::expect_no_execute(true);
}

TEST_CASE("no present entry lets the processor write and execute") {
    for_each_leaf_option([](const LeafOptions& options) {
        for (const Access access : all_access) {
            if (access == Access::none()) continue;
            const std::uint64_t raw = Entry::leaf(PhysAddr{0x1000}, access, 1, options).raw();
            const bool write = (raw & shim::bits::read_write) != 0;
            const bool execute = (raw & shim::bits::execute_disable) == 0;
            expect(!(write && execute), Entry{}, "W+X");
        }
    });
    CHECK(Access::make(6).error() == Error::not_permitted);
    CHECK(Access::make(7).error() == Error::not_permitted);
    CHECK(Access::make(8).error() == Error::invalid_argument);
    CHECK(*Access::make(0) == Access::none());
    CHECK(*Access::make(1) == Access::read());
    CHECK(*Access::make(2) == Access::read_write());
    CHECK(*Access::make(3) == Access::read_write());
    CHECK(*Access::make(4) == Access::read_execute());
    CHECK(*Access::make(5) == Access::read_execute());
    CHECK(Access::make(~0ULL).error() == Error::invalid_argument);
}

TEST_CASE("access covers and ceilings allow") {
    CHECK(Access::read_write().covers(Access::read()));
    CHECK_FALSE(Access::read().covers(Access::read_write()));
    CHECK_FALSE(Access::read_execute().covers(Access::read_write()));
    CHECK(Ceiling::all().allows(Access::read_write()));
    CHECK(Ceiling::all().allows(Access::read_execute()));
    CHECK(Ceiling::of(Access::read()).allows(Access::none()));
    CHECK_FALSE(Ceiling::of(Access::read()).allows(Access::read_write()));
    CHECK_FALSE(Ceiling::of(Access::read_write()).allows(Access::read_execute()));
    CHECK_FALSE(Ceiling::none().allows(Access::read()));
}
