// SPDX-License-Identifier: MIT
// Memory objects: shared by handle between processes, mapped privately, read-only, told by the map.
#include "user/lib/fork.hpp"
#include "user/lib/handle.hpp"
#include "user/lib/program.hpp"
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"
#include "user/selftest/role.hpp"

#include <array>

namespace selftest {
namespace {

constexpr std::uint32_t read_write = abi::access_read | abi::access_write;
constexpr std::uint64_t far_away = 0x3100'0000'0000;

/// A mapping for a scope.
class Mapped {
public:
    Mapped(std::uint64_t address, std::uint64_t bytes) : address_(address), bytes_(bytes) {}
    ~Mapped() { EXPECT_OK(user::unmap(address_, bytes_)); }
    Mapped(const Mapped&) = delete;
    Mapped& operator=(const Mapped&) = delete;
    std::uint64_t operator+(std::uint64_t offset) const { return address_ + offset; }

private:
    std::uint64_t address_;
    std::uint64_t bytes_;
};

void two_mappings_of_one_memory() {
    const user::OwnedHandle memory(REQUIRE(user::memory_create(5 * page_size - 100)));
    const Mapped one(REQUIRE(user::map_object(memory.get(), 0, 0, read_write)), 5 * page_size);
    const Mapped other(REQUIRE(user::map_object(memory.get(), far_away, 2 * page_size, read_write,
                                                abi::map_fixed, 3 * page_size)),
                       2 * page_size);
    EXPECT_EQUAL(word_at(one + 3 * page_size), 0U);
    word_at(one + 3 * page_size) = 11;
    EXPECT_EQUAL(word_at(other + 0), 11U);
    word_at(other + page_size + 8) = 12;
    EXPECT_EQUAL(word_at(one + 4 * page_size + 8), 12U);
    const auto info = REQUIRE(user::object_info(memory.get()));
    EXPECT_EQUAL(info.bytes, 5 * page_size - 100);
    EXPECT_EQUAL(info.resident, 2U);
    EXPECT_EQUAL(info.access, 7U);
}

/// A child reads what was written before it started, and writes what is read after its end.
void a_child_shares_it() {
    const user::OwnedHandle memory(REQUIRE(user::memory_create(2 * page_size)));
    const Mapped here(REQUIRE(user::map_object(memory.get(), 0, 0, read_write)), 2 * page_size);
    word_at(here + 16) = 1234;
    const std::array extra{memory.get()};
    EXPECT_EQUAL(REQUIRE(run_child({"memory"}, extra)), 0);
    EXPECT_EQUAL(word_at(here + page_size), 1235U);
}

void it_outlives_its_handle() {
    std::uint64_t address = 0;
    {
        const user::OwnedHandle memory(REQUIRE(user::memory_create(page_size)));
        address = REQUIRE(user::map_object(memory.get(), 0, 0, read_write));
        word_at(address) = 5;
    }
    const Mapped here(address, page_size);
    EXPECT_EQUAL(word_at(here + 0), 5U);
    word_at(here + 8) = 6;
    EXPECT_EQUAL(word_at(here + 8), 6U);
}

void private_mappings_copy() {
    const user::OwnedHandle memory(REQUIRE(user::memory_create(4 * page_size)));
    const Mapped shared(REQUIRE(user::map_object(memory.get(), 0, 0, read_write)), 4 * page_size);
    const Mapped own(REQUIRE(user::map_object(memory.get(), 0, 0, read_write, abi::map_private)),
                     4 * page_size);
    word_at(shared + 0) = 1;
    EXPECT_EQUAL(word_at(own + 0), 1U);
    word_at(own + 0) = 2;
    word_at(own + page_size) = 3;
    EXPECT_EQUAL(word_at(shared + 0), 1U);
    EXPECT_EQUAL(word_at(shared + page_size), 0U);
    word_at(shared + 0) = 4;
    EXPECT_EQUAL(word_at(own + 0), 2U);
    EXPECT_OK(user::discard(own + 0, 4 * page_size));
    EXPECT_EQUAL(word_at(own + 0), 4U);
    EXPECT_EQUAL(word_at(own + page_size), 0U);
}

/// Who may not control an object does not write it, but its own copies of it.
void a_handle_without_control_reads() {
    const user::OwnedHandle memory(REQUIRE(user::memory_create(page_size)));
    const Mapped writer(REQUIRE(user::map_object(memory.get(), 0, 0, read_write)), page_size);
    word_at(writer + 0) = 77;
    const user::OwnedHandle reader(
        REQUIRE(user::handle_duplicate(memory.get(), abi::right_inspect)));
    EXPECT_ERROR(user::map_object(reader.get(), 0, 0, read_write), Error::not_permitted);
    const Mapped read(REQUIRE(user::map_object(reader.get(), 0, 0, abi::access_read)), page_size);
    EXPECT_EQUAL(word_at(read + 0), 77U);
    EXPECT_ERROR(user::protect(read + 0, page_size, read_write), Error::not_permitted);
    EXPECT_EQUAL(REQUIRE(user::object_info(reader.get())).access,
                 std::uint64_t{abi::access_read | abi::access_execute});
    const Mapped copy(REQUIRE(user::map_object(reader.get(), 0, 0, read_write, abi::map_private)),
                      page_size);
    word_at(copy + 0) = 78;
    EXPECT_EQUAL(word_at(read + 0), 77U);
    const user::OwnedHandle blind(
        REQUIRE(user::handle_duplicate(memory.get(), abi::right_control)));
    EXPECT_ERROR(user::map_object(blind.get(), 0, 0, abi::access_read), Error::not_permitted);
    EXPECT_ERROR(user::object_info(blind.get()), Error::not_permitted);
}

void the_archive_is_not_written() {
    const auto archive = user::handles.archive;
    EXPECT_ERROR(user::map_object(archive, 0, page_size, read_write), Error::not_permitted);
    const Mapped text(
        REQUIRE(user::map_object(archive, 0, page_size, read_write, abi::map_private)), page_size);
    const Mapped same(REQUIRE(user::map_object(archive, 0, page_size, abi::access_read)),
                      page_size);
    const std::uint64_t was = word_at(same + 256);
    word_at(text + 256) = ~was;
    EXPECT_EQUAL(word_at(same + 256), was);
    EXPECT_OK(user::discard(text + 0, page_size));
    EXPECT_EQUAL(word_at(text + 256), was);
}

/// One fault maps what is resident in 64 KiB around it, as far as the same is mapped.
void a_fault_maps_its_neighbours() {
    constexpr std::uint64_t pages = 48;
    const user::OwnedHandle memory(REQUIRE(user::memory_create(pages * page_size)));
    const Mapped writer(REQUIRE(user::map_object(memory.get(), 0, 0, read_write)),
                        pages * page_size);
    for (std::uint64_t page = 0; page < pages; ++page) word_at(writer + page * page_size) = page;
    const Mapped reader(
        REQUIRE(user::map_object(memory.get(), far_away, 0, abi::access_read, abi::map_fixed)),
        pages * page_size);
    const auto present = [&](std::uint64_t page) {
        const auto run =
            user::nearest(abi::no_handle, reader + page * page_size, abi::Direction::up);
        return run ? run->present : ~0ULL;
    };
    EXPECT_EQUAL(word_at(reader + 0), 0U);
    EXPECT_EQUAL(word_at(reader + page_size), 1U); // there is a page table, at the latest now
    EXPECT_EQUAL(present(0), 16U);
    EXPECT_EQUAL(word_at(reader + 20 * page_size), 20U);
    EXPECT_EQUAL(present(0), 32U);
    EXPECT_OK(
        user::protect(reader + 40 * page_size, page_size, abi::access_read | abi::access_execute));
    EXPECT_EQUAL(word_at(reader + 36 * page_size), 36U);
    EXPECT_EQUAL(present(36), 40U);
    EXPECT_EQUAL(present(40), 0U);
    EXPECT_EQUAL(present(41), 0U);
    for (std::uint64_t page = 0; page < pages; ++page)
        EXPECT_EQUAL(word_at(reader + page * page_size), page);
}

/// 2 MiB of an object that is read only are read through the object's own page table.
void whole_page_tables_are_read_through() {
    constexpr std::uint64_t table_bytes = 512 * page_size;
    const user::OwnedHandle memory(REQUIRE(user::memory_create(2 * table_bytes)));
    const Mapped writer(REQUIRE(user::map_object(memory.get(), 0, 0, read_write)), 2 * table_bytes);
    for (std::uint64_t at = 0; at < table_bytes; at += page_size) word_at(writer + at) = at + 1;
    const Mapped reader(
        REQUIRE(user::map_object(memory.get(), far_away, 0, abi::access_read, abi::map_fixed)),
        2 * table_bytes);
    const auto run = [&] {
        return user::nearest(abi::no_handle, reader + 0, abi::Direction::up).value_or(abi::Run{});
    };
    const auto before = REQUIRE(user::memory_info()).shared_tables;
    EXPECT_EQUAL(word_at(reader + 5 * page_size), 5 * page_size + 1);
    EXPECT_EQUAL(REQUIRE(user::memory_info()).shared_tables, before + page_size / 1024);
    EXPECT_EQUAL(run().present, 512U);
    EXPECT_EQUAL(run().levels, 2U); // by one entry
    // What is written afterwards, and what was not there, is read as well.
    word_at(writer + 6 * page_size) = 77;
    EXPECT_EQUAL(word_at(reader + 6 * page_size), 77U);
    EXPECT_EQUAL(word_at(reader + table_bytes), 0U);
    word_at(writer + table_bytes + page_size) = 78;
    EXPECT_EQUAL(word_at(reader + table_bytes + page_size), 78U);
    EXPECT_EQUAL(run().present, 514U);
    const auto status = REQUIRE(user::run_forked([&] {
        if (word_at(reader + 9 * page_size) != 9 * page_size + 1) return 1;
        if (!user::unmap(reader + 9 * page_size, page_size)) return 2;
        return word_at(reader + 10 * page_size) == 10 * page_size + 1 ? 7 : 3;
    }));
    EXPECT_EQUAL(status, 7);
    // A part that becomes something else leaves the rest as it was.
    EXPECT_ERROR(user::console_write(user::handles.console,
                                     {reinterpret_cast<const char*>(reader + 2 * table_bytes), 1}),
                 Error::bad_address);
    EXPECT_OK(user::protect(reader + 9 * page_size, page_size, read_write));
    word_at(reader + 9 * page_size) = 79;
    EXPECT_EQUAL(word_at(writer + 9 * page_size), 79U);
    for (std::uint64_t at = 10 * page_size; at < table_bytes; at += page_size)
        EXPECT_EQUAL(word_at(reader + at), at + 1);
    // Pages beyond a lower end are gone for who reads through tables, too.
    EXPECT_OK(user::object_resize(memory.get(), page_size));
    EXPECT_OK(user::object_resize(memory.get(), 2 * table_bytes));
    EXPECT_EQUAL(word_at(reader + table_bytes + page_size), 0U);
    EXPECT_EQUAL(word_at(reader + 0), 1U);
}

void the_map_tells_object_and_offset() {
    const user::OwnedHandle memory(REQUIRE(user::memory_create(64 * page_size)));
    const auto number = static_cast<std::uint32_t>(REQUIRE(user::object_info(memory.get())).number);
    const Mapped here(REQUIRE(user::map_object(memory.get(), far_away, 32 * page_size, read_write,
                                               abi::map_fixed, 7 * page_size)),
                      32 * page_size);
    word_at(here + 3 * page_size) = 1;
    // Present or not, it is one run.
    const auto shared =
        REQUIRE(user::nearest(abi::no_handle, here + page_size, abi::Direction::up));
    EXPECT_EQUAL(shared.start, far_away);
    EXPECT_EQUAL(shared.end, far_away + 32 * page_size);
    EXPECT_EQUAL(shared.id, number);
    EXPECT_EQUAL(shared.offset, 7 * page_size);
    EXPECT(shared.state == abi::State::shared);
    EXPECT_EQUAL(shared.present, 1U);
    // A private mapping: not present, its own, and the object's.
    const Mapped own(
        REQUIRE(user::map_object(memory.get(), far_away + 32 * page_size, 0, read_write,
                                 abi::map_fixed | abi::map_private, 60 * page_size)),
        4 * page_size);
    word_at(own + page_size) = 1;
    EXPECT_EQUAL(word_at(own + 2 * page_size), 0U);
    std::array<abi::Run, 4> runs{};
    REQUIRE(user::query(abi::no_handle, own + 0, runs));
    constexpr abi::State states[] = {abi::State::file, abi::State::present, abi::State::shared,
                                     abi::State::file};
    for (unsigned at = 0; at < 4; ++at) {
        EXPECT_EQUAL(runs[at].id, number);
        EXPECT_EQUAL(runs[at].offset, (60 + at) * page_size);
        EXPECT(runs[at].state == states[at]);
    }
}

void bad_requests_are_refused() {
    const user::OwnedHandle memory(REQUIRE(user::memory_create(2 * page_size)));
    const auto map = [&](std::uint64_t address, std::uint64_t bytes, std::uint32_t access,
                         std::uint32_t flags, std::uint64_t offset) {
        return user::map_object(memory.get(), address, bytes, access, flags, offset);
    };
    EXPECT_ERROR(map(0, 0, read_write, abi::map_guard, 0), Error::invalid_argument);
    EXPECT_ERROR(map(0, 0, read_write, 0, 1), Error::invalid_argument);
    EXPECT_ERROR(map(0, 0, read_write, 0, 2 * page_size), Error::too_large);
    EXPECT_ERROR(map(0, 2 * page_size, read_write, 0, page_size), Error::too_large);
    EXPECT_ERROR(map(0, 0, read_write, 0, ~0xfffULL), Error::too_large);
    EXPECT_ERROR(map(far_away + 1, 0, read_write, abi::map_fixed, 0), Error::invalid_argument);
    EXPECT_ERROR(map(~0xfffULL, 0, read_write, abi::map_fixed, 0), Error::invalid_argument);
    EXPECT_ERROR(map(0, 0, 7, 0, 0), Error::not_permitted);
    EXPECT_ERROR(user::memory_create(0), Error::invalid_argument);
    EXPECT_ERROR(user::memory_create(~0ULL), Error::invalid_argument);
    EXPECT_ERROR(user::memory_create(1ULL << 47), Error::no_memory);
    EXPECT_ERROR(user::object_info(user::handles.console), Error::bad_handle);
}

/// What lies beyond a lower end is gone for all, but for private copies; what comes again is zeros.
void resized() {
    const user::OwnedHandle memory(REQUIRE(user::memory_create(600 * page_size)));
    const Mapped here(REQUIRE(user::map_object(memory.get(), 0, 0, read_write)), 600 * page_size);
    const Mapped own(REQUIRE(user::map_object(memory.get(), 0, 0, read_write, abi::map_private)),
                     600 * page_size);
    word_at(here + page_size) = 1;
    word_at(here + 599 * page_size) = 2;
    word_at(own + 598 * page_size) = 3;
    EXPECT_OK(user::object_resize(memory.get(), 2 * page_size));
    EXPECT_EQUAL(REQUIRE(user::object_info(memory.get())).bytes, 2 * page_size);
    EXPECT_EQUAL(REQUIRE(user::object_info(memory.get())).resident, 1U);
    const std::string_view beyond(reinterpret_cast<const char*>(here + 599 * page_size), 1);
    EXPECT_ERROR(user::console_write(user::handles.console, beyond), Error::bad_address);
    EXPECT_EQUAL(word_at(here + page_size), 1U);
    EXPECT_EQUAL(word_at(own + 598 * page_size), 3U);
    EXPECT_OK(user::object_resize(memory.get(), 600 * page_size));
    EXPECT_EQUAL(word_at(here + 599 * page_size), 0U);
    EXPECT_EQUAL(word_at(here + page_size), 1U);
    EXPECT_ERROR(user::object_resize(memory.get(), 100), Error::invalid_argument);
    EXPECT_ERROR(user::object_resize(user::handles.archive, page_size), Error::not_permitted);
    EXPECT_ERROR(user::object_resize(user::handles.console, page_size), Error::bad_handle);
}

/// In a copy of the process shared memory stays shared, and private is copied.
void forked() {
    const user::OwnedHandle memory(REQUIRE(user::memory_create(64 * page_size)));
    const Mapped shared(REQUIRE(user::map_object(memory.get(), 0, 0, read_write)), 64 * page_size);
    const Mapped own(REQUIRE(user::map_object(memory.get(), 0, 0, read_write, abi::map_private)),
                     64 * page_size);
    for (std::uint64_t page = 0; page < 64; page += 2) word_at(shared + page * page_size) = page;
    word_at(own + 2 * page_size) = 50;
    EXPECT_EQUAL(word_at(own + 4 * page_size), 4U);
    const auto status = REQUIRE(user::run_forked([&] {
        if (word_at(own + 2 * page_size) != 50 || word_at(shared + 6 * page_size) != 6) return 1;
        word_at(own + 2 * page_size) = 51;
        word_at(own + 4 * page_size) = 52;
        word_at(shared + 6 * page_size) = 53;
        word_at(shared + 7 * page_size) = 54;
        if (!user::discard(own + 0, 64 * page_size)) return 2;
        return word_at(own + 2 * page_size) == 2 ? 7 : 3;
    }));
    EXPECT_EQUAL(status, 7);
    EXPECT_EQUAL(word_at(own + 2 * page_size), 50U);
    EXPECT_EQUAL(word_at(own + 4 * page_size), 4U);
    EXPECT_EQUAL(word_at(shared + 6 * page_size), 53U);
    EXPECT_EQUAL(word_at(shared + 7 * page_size), 54U);
}

/// Nothing stays of objects that nobody refers to any more.
void what_is_given_up_comes_back() {
    constexpr std::uint64_t bytes = 256 * page_size;
    const auto once = [] {
        const user::OwnedHandle memory(REQUIRE(user::memory_create(bytes)));
        const Mapped here(REQUIRE(user::map_object(memory.get(), 0, 0, read_write)), bytes);
        for (std::uint64_t at = 0; at < bytes; at += page_size) word_at(here + at) = at;
    };
    for (int warm = 0; warm < 20; ++warm) once();
    const auto before = REQUIRE(user::memory_info());
    for (int round = 0; round < 200; ++round) once();
    const auto after = REQUIRE(user::memory_info());
    // The last few are found out when the space's table of ids is full.
    EXPECT(after.cache <= before.cache + 17 * bytes / 1024);
    EXPECT(after.committed <= before.committed + 18 * bytes / 1024);
}

/// What was given up counts for nothing when memory is asked for: not even what ids that are in no
/// entry any more keep.
void a_limit_is_reached_by_what_is_used_only() {
    constexpr std::uint64_t limit = 2000;
    const auto child = REQUIRE(start_child({"give-up-memory"}, {.memory_limit = limit}));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
}

constexpr Test tests[] = {
    {"two mappings of one memory", two_mappings_of_one_memory},
    {"a child shares it", a_child_shares_it},
    {"it outlives its handle", it_outlives_its_handle},
    {"private mappings copy", private_mappings_copy},
    {"a handle without control reads", a_handle_without_control_reads},
    {"the archive is not written", the_archive_is_not_written},
    {"a fault maps its neighbours", a_fault_maps_its_neighbours},
    {"whole page tables are read through", whole_page_tables_are_read_through},
    {"the map tells object and offset", the_map_tells_object_and_offset},
    {"bad requests are refused", bad_requests_are_refused},
    {"resized", resized},
    {"forked", forked},
    {"what is given up comes back", what_is_given_up_comes_back},
    {"a limit is reached by what is used only", a_limit_is_reached_by_what_is_used_only},
};

} // namespace

constinit const Suite objects_suite{"objects", tests};

} // namespace selftest
