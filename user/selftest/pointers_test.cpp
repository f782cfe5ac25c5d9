// SPDX-License-Identifier: MIT
// Pointers that system calls must refuse: none may harm the kernel, and all give bad_address.
#include "user/lib/heap.hpp"
#include "user/lib/program.hpp"
#include "user/selftest/framework.hpp"

namespace selftest {
namespace {

constexpr std::uint32_t read_write = abi::access_read | abi::access_write;

std::uint64_t word_of(user::Call call) { return static_cast<std::uint64_t>(call); }

/// Calls that read or write memory at an address, with everything else in order.
struct Access {
    std::string_view name;
    bool writes; ///< the kernel writes there
    std::uint64_t bytes;
    std::int64_t (*call)(std::uint64_t address);
};

std::int64_t console_write_from(std::uint64_t address) {
    return user::raw_system_call(word_of(user::Call::console_write), user::handles.console, address,
                                 8);
}
std::int64_t query_to(std::uint64_t address) {
    return user::raw_system_call(word_of(user::Call::query), 0, 0, address, 2);
}
std::int64_t nearest_to(std::uint64_t address) {
    return user::raw_system_call(word_of(user::Call::nearest), 0, 0, 0, address);
}
std::int64_t spawn_from(std::uint64_t address) {
    return user::raw_system_call(word_of(user::Call::spawn), address, sizeof(abi::SpawnPlan));
}
std::int64_t process_info_to(std::uint64_t address) {
    return user::raw_system_call(word_of(user::Call::process_info), 0, address,
                                 sizeof(abi::ProcessInfo));
}
std::int64_t machine_info_to(std::uint64_t address) {
    return user::raw_system_call(word_of(user::Call::machine_info), address,
                                 sizeof(abi::MachineInfo));
}
std::int64_t call_with(std::uint64_t address) {
    return user::raw_system_call(word_of(user::Call::call), user::handles.directory,
                                 address | abi::message_whole);
}

constexpr Access accesses[] = {
    {"console_write", false, 8, console_write_from},
    {"query", true, 2 * sizeof(abi::Run), query_to},
    {"nearest", true, sizeof(abi::Run), nearest_to},
    {"spawn", false, sizeof(abi::SpawnPlan), spawn_from},
    {"process_info", true, sizeof(abi::ProcessInfo), process_info_to},
    {"machine_info", true, sizeof(abi::MachineInfo), machine_info_to},
    {"call", false, sizeof(abi::Message), call_with},
};

void refuse(std::uint64_t address, Place place = {}) {
    for (const Access& access : accesses) {
        expect_code(access.call(address), Error::bad_address, access.name, place);
    }
}

void null_and_low() {
    refuse(0);
    refuse(8);
    refuse(0xfff8);
}

void kernel_half() {
    refuse(0xffff'8000'0000'0000);
    refuse(0xffff'ffff'8010'0000);
    refuse(0xffff'ffff'ffff'f000);
    refuse(~7ULL);
    refuse(~0ULL);
}

void beyond_the_user_half() {
    refuse(0x0000'8000'0000'0000); // not canonical
    refuse(0x7fff'ffff'ffff'fff8);
    refuse(0x0000'7fff'ffff'fffc); // begins in the user half and leaves it
    refuse(0x0000'7fff'ffff'f000); // its last page stays empty
}

void hole() {
    const auto page = REQUIRE(user::map(page_size));
    REQUIRE(user::unmap(page, page_size));
    refuse(page);
    refuse(page + 1);
}

/// Begins in a mapped page, ends in a hole.
void straddling() {
    const auto pages = REQUIRE(user::map(2 * page_size));
    REQUIRE(user::unmap(pages + page_size, page_size));
    const std::uint64_t end = pages + page_size;
    for (const Access& access : accesses) {
        if (access.bytes == 8) continue; // the console would show the first half
        expect_code(access.call(end - 8), Error::bad_address, access.name);
        expect_code(access.call(end - access.bytes + 4), Error::bad_address, access.name);
    }
    REQUIRE(user::unmap(pages, page_size));
}

void read_only() {
    const auto page = REQUIRE(user::map(page_size, {.access = abi::access_read}));
    for (const Access& access : accesses) {
        if (access.writes) expect_code(access.call(page), Error::bad_address, access.name);
    }
    for (std::uint64_t at = 0; at < page_size; ++at) {
        if (reinterpret_cast<const volatile char*>(page)[at] != 0) {
            fail("a page that is read-only was written", {});
            break;
        }
    }
    // So is the program's own text.
    const auto text = reinterpret_cast<std::uintptr_t>(&read_only);
    for (const Access& access : accesses) {
        if (access.writes) expect_code(access.call(text), Error::bad_address, access.name);
    }
    REQUIRE(user::unmap(page, page_size));
}

void without_access() {
    const auto page = REQUIRE(user::map(page_size));
    *reinterpret_cast<volatile char*>(page) = 1;
    REQUIRE(user::protect(page, page_size, abi::access_none)); // parked: it has a frame
    refuse(page);
    REQUIRE(user::unmap(page, page_size));
    const auto guard =
        REQUIRE(user::map(page_size, {.access = abi::access_none, .flags = abi::map_guard}));
    refuse(guard);
    REQUIRE(user::unmap(guard, page_size));
}

/// What was never touched is as good as what was: the kernel resolves it like the user's own.
void lazy_is_good() {
    const auto pages = REQUIRE(user::map(2 * page_size));
    const std::uint64_t address = pages + page_size - 16;
    EXPECT_EQUAL(process_info_to(address), sizeof(abi::ProcessInfo));
    EXPECT_EQUAL(reinterpret_cast<const abi::ProcessInfo*>(address)->id, user::process_id());
    REQUIRE(user::unmap(pages, 2 * page_size));
}

void misaligned_is_good() {
    const auto pages = REQUIRE(user::map(page_size));
    EXPECT_EQUAL(process_info_to(pages + 3), sizeof(abi::ProcessInfo));
    abi::ProcessInfo info{};
    __builtin_memcpy(&info, reinterpret_cast<const void*>(pages + 3), sizeof info);
    EXPECT_EQUAL(info.id, user::process_id());
    REQUIRE(user::unmap(pages, page_size));
}

void wrapping_lengths() {
    abi::Run run{};
    const auto address = reinterpret_cast<std::uintptr_t>(&run);
    const auto query = word_of(user::Call::query);
    constexpr std::uint64_t counts[] = {~0ULL, 1ULL << 60, (~0ULL) / sizeof(abi::Run) + 1,
                                        1ULL << 63};
    for (const std::uint64_t count : counts) {
        EXPECT(user::raw_system_call(query, 0, 0, address, count) < 0);
    }
    const auto write = word_of(user::Call::console_write);
    EXPECT_CODE(user::raw_system_call(write, user::handles.console, address, ~0ULL),
                Error::bad_address);
    EXPECT_CODE(user::raw_system_call(write, user::handles.console, address, 1ULL << 47),
                Error::bad_address);
    EXPECT_CODE(user::raw_system_call(write, user::handles.console, address, 0 - address),
                Error::bad_address);
}

/// A page that another thread keeps taking away and putting back.
void pointer_that_changes() {
    const auto page = REQUIRE(user::map(page_size));
    for (int i = 0; i < 200; ++i) {
        const auto result = process_info_to(page);
        EXPECT_EQUAL(result, sizeof(abi::ProcessInfo));
        REQUIRE(user::protect(page, page_size, i % 2 == 0 ? 1 : 0));
        EXPECT_CODE(process_info_to(page), Error::bad_address);
        REQUIRE(user::protect(page, page_size, read_write));
    }
    REQUIRE(user::unmap(page, page_size));
}

constexpr Test tests[] = {
    {"null_and_low", null_and_low},
    {"kernel_half", kernel_half},
    {"beyond_the_user_half", beyond_the_user_half},
    {"hole", hole},
    {"straddling", straddling},
    {"read_only", read_only},
    {"without_access", without_access},
    {"lazy_is_good", lazy_is_good},
    {"misaligned_is_good", misaligned_is_good},
    {"wrapping_lengths", wrapping_lengths},
    {"pointer_that_changes", pointer_that_changes},
};

} // namespace

constinit const Suite pointers_suite{"pointers", tests};

} // namespace selftest
