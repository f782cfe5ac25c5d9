// SPDX-License-Identifier: MIT
// Memory and machine calls, versioned structures, hostile pointers, random calls.
#include "shim/booted.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

using namespace shim;

namespace {

constexpr abi::Handle console_handle = abi::initial_handle(abi::init_console);
constexpr abi::Handle power_handle = abi::initial_handle(abi::init_power);
constexpr abi::Handle archive_handle = abi::initial_handle(abi::init_archive);
constexpr std::uint64_t mib = 1 << 20;

Answer map(std::uint64_t address, std::uint64_t bytes, std::uint64_t access, std::uint64_t flags,
           std::uint64_t alignment = 0) {
    return ask(SystemCall::map, address, bytes, access, flags, alignment);
}

} // namespace

TEST_CASE("proc: the map's calls") {
    Booted booted;
    booted.run([] {
        const Answer made = map(0x10000000, 4 * page_size, 3, 0);
        REQUIRE(made.value == 0x10000000);
        put(VirtAddr{made.value}, 42);
        CHECK(get<int>(VirtAddr{made.value}) == 42);
        CHECK(map(made.value, page_size, 3, abi::map_fixed).error == Error::already_mapped);
        CHECK(map(made.value, page_size, 3, 0).value == made.value + 4 * page_size);
        CHECK(map(made.value, page_size, 1, abi::map_replace).value == made.value);
        CHECK(get<int>(VirtAddr{made.value}) == 0);
        CHECK(map(0, page_size, 3, 0, 1 << 16).value % (1 << 16) == 0);
        CHECK(map(0, 0, 3, 0).error == Error::invalid_argument);
        CHECK(map(0, 100, 3, 0).error == Error::invalid_argument);
        CHECK(map(0, page_size, 6, 0).error == Error::not_permitted);
        CHECK(map(0, page_size, 9, 0).error == Error::invalid_argument);
        CHECK(map(0, page_size, 3, 128).error == Error::invalid_argument);
        for (const std::uint64_t other : {abi::map_guard, abi::map_grow})
            CHECK(map(0, page_size, 3, abi::map_huge | other).error == Error::invalid_argument);
        CHECK(map(0, page_size, 3, abi::map_huge).value % (2U << 20) == 0);
        CHECK(map(0, page_size, 3, 0, 3).error == Error::invalid_argument);
        CHECK(map(0, 1ULL << 46, 3, 0).error == Error::no_memory);
        CHECK(map(0, 1ULL << 40, 3, abi::map_noreserve).ok());
        CHECK(map(0xffff'8000'0000'0000, page_size, 3, abi::map_fixed).error ==
              Error::invalid_argument);

        const std::uint64_t second = made.value + page_size;
        CHECK(ask(SystemCall::protect, second, page_size, 1).ok());
        CHECK(ask(SystemCall::protect, second, page_size, 6).error == Error::not_permitted);
        CHECK(ask(SystemCall::protect, 0x30000000, page_size, 1).error == Error::not_mapped);
        CHECK(ask(SystemCall::protect, second, 1, 1).error == Error::invalid_argument);
        CHECK(ask(SystemCall::discard, second, page_size).ok());
        CHECK(ask(SystemCall::discard, 0x30000000, page_size).error == Error::not_mapped);
        CHECK(ask(SystemCall::unmap, second, page_size).ok());
        CHECK(ask(SystemCall::unmap, second, ~0ULL).error == Error::invalid_argument);
        CHECK(ask(SystemCall::unmap, ~0xfffULL, 2 * page_size).error == Error::invalid_argument);
    });
}

TEST_CASE("proc: query and nearest, of oneself, of others, of the kernel") {
    Booted booted;
    booted.run([] {
        // Single pages of alternating rights: more runs than one batch holds.
        const Answer made = map(0x20000000, 80 * page_size, 3, 0);
        for (unsigned i = 0; i < 80; i += 2)
            ask(SystemCall::protect, made.value + i * page_size, page_size, 1);
        const std::uint64_t runs = init_data.value + 0x1000;
        const Answer found = ask(SystemCall::query, 0, made.value, runs, 50);
        CHECK(found.value == 50);
        for (unsigned i = 0; i < 50; ++i) {
            const auto run = get<abi::Run>(VirtAddr{runs + i * sizeof(abi::Run)});
            CHECK(run.start == made.value + i * page_size);
            CHECK(run.access == (i % 2 == 0 ? 1 : 3));
        }
        CHECK(ask(SystemCall::query, 0, made.value + 79 * page_size, runs, 50).value == 1);
        CHECK(ask(SystemCall::query, 0, 0, runs, ~0ULL).error == Error::invalid_argument);
        CHECK(ask(SystemCall::query, 0, 0, 0x30000000, 5).error == Error::bad_address);
        CHECK(ask(SystemCall::query, 0, 0, runs, 0).value == 0);

        CHECK(ask(SystemCall::nearest, 0, made.value - 1, abi::Direction::up, runs).ok());
        CHECK(get<abi::Run>(VirtAddr{runs}).start == made.value);
        CHECK(ask(SystemCall::nearest, 0, made.value, abi::Direction::down, runs).ok());
        CHECK(get<abi::Run>(VirtAddr{runs}).end <= made.value);
        CHECK(ask(SystemCall::nearest, 0, 0, abi::Direction::down, runs).error == Error::not_found);
        CHECK(ask(SystemCall::nearest, 0, 0, 2, runs).error == Error::invalid_argument);
        CHECK(ask(SystemCall::nearest, 0, 0, 0, 0).error == Error::bad_address);

        const Answer child = Plan([] {}).spawn();
        CHECK(ask(SystemCall::query, child.value, 0, runs, 10).value == 3);
        CHECK(get<abi::Run>(VirtAddr{runs}).start == init_text.value);
        CHECK(ask(SystemCall::nearest, child.value, 0, 0, runs).ok());
        ask(SystemCall::wait, child.value);
        CHECK(ask(SystemCall::query, child.value, 0, runs, 10).value == 0);
        CHECK(ask(SystemCall::nearest, child.value, 0, 0, runs).error == Error::not_found);
        CHECK(ask(SystemCall::query, console_handle, 0, runs, 10).error == Error::bad_handle);

        CHECK(ask(SystemCall::query, power_handle, 0, runs, 10).value > 0);
        CHECK(VirtAddr{get<abi::Run>(VirtAddr{runs}).start} >= kernel_range.start);
        CHECK(ask(SystemCall::query, console_handle, 0, runs, 10).error == Error::bad_handle);
    });
}

TEST_CASE("proc: the archive is mapped read-only, and stays when unmapped") {
    Booted booted;
    booted.run([] {
        const Answer made = ask(SystemCall::map_object, archive_handle, 0, 0, 1);
        REQUIRE(made.ok());
        CHECK(get<std::array<char, 8>>(VirtAddr{made.value}) ==
              std::array<char, 8>{'b', 'i', 'n', '/', 'i', 'n', 'i', 't'});
        CHECK(ask(SystemCall::protect, made.value, page_size, 3).error == Error::not_permitted);
        CHECK(ask(SystemCall::unmap, made.value, 4 * page_size).ok());
        const Answer part = ask(SystemCall::map_object, archive_handle, 0x40000000, page_size, 1);
        CHECK(part.value == 0x40000000);
        CHECK(get<char>(VirtAddr{part.value}) == 'b');
        CHECK(ask(SystemCall::map_object, archive_handle, 0, 0, 3).error == Error::not_permitted);
        CHECK(ask(SystemCall::map_object, archive_handle, 0, mib, 1).error == Error::too_large);
        CHECK(ask(SystemCall::map_object, archive_handle, 0, 17, 1).error ==
              Error::invalid_argument);
    });
}

TEST_CASE("proc: figures are told as far as the caller has room") {
    Booted booted;
    booted.run([] {
        const std::uint64_t at = init_data.value;
        CHECK(ask(SystemCall::machine_info, at, sizeof(abi::MachineInfo)).value ==
              sizeof(abi::MachineInfo));
        const auto memory = get<abi::MachineInfo>(init_data).memory;
        CHECK(memory.total > memory.free);
        CHECK(memory.free > 0);
        CHECK(memory.page_tables >= 16);
        CHECK(memory.anonymous >= 4);
        CHECK(memory.committed > 0);
        CHECK(memory.commit_limit >= memory.committed);
        put(init_data + 8, std::uint64_t{77});
        CHECK(ask(SystemCall::machine_info, at, 8).value == 8);
        CHECK(get<std::uint64_t>(init_data) == 1); // processors
        CHECK(get<std::uint64_t>(init_data + 8) == 77);
        CHECK(ask(SystemCall::machine_info, at, 0).value == 0);
        put(init_data + 0x6000, 1); // a fault
        CHECK(ask(SystemCall::process_info, 0, at, 4096).value == sizeof(abi::ProcessInfo));
        const auto own = get<abi::ProcessInfo>(init_data);
        CHECK(own.id == 1);
        CHECK(std::string_view(own.name) == "init");
        CHECK(own.tables > 0);
        CHECK(own.faults > 0);
        user_compute(5'000'000);
        ask(SystemCall::process_info, 0, at, 4096);
        CHECK(get<abi::ProcessInfo>(init_data).time >= own.time + 5'000'000);
    });
}

TEST_CASE("proc: resolved faults are counted, those of ended threads too") {
    Booted booted;
    booted.run([] {
        const auto faults = [] {
            ask(SystemCall::process_info, 0, init_data.value, 4096);
            return get<abi::ProcessInfo>(init_data).faults;
        };
        constexpr std::uint64_t pages = 5;
        const std::uint64_t memory =
            ask(SystemCall::map, 0, 2 * pages * page_size, abi::access_read | abi::access_write)
                .value;
        const auto touch = [](std::uint64_t start) {
            for (std::uint64_t n = 0; n < pages; ++n)
                put(VirtAddr{start + n * page_size}, std::uint64_t{1});
        };
        faults();
        const std::uint64_t before = faults();
        touch(memory);
        CHECK(faults() - before == pages);
        touch(memory);
        CHECK(faults() - before == pages);
        const Answer thread = start_thread([&] {
            touch(memory + pages * page_size);
            ask(SystemCall::thread_exit, 0);
        });
        REQUIRE(thread.ok());
        REQUIRE(ask(SystemCall::wait, thread.value).ok());
        CHECK(faults() - before == 2 * pages);
    });
}

TEST_CASE("proc: the console's calls") {
    Booted booted;
    booted.run([] {
        const std::uint64_t at = init_data.value;
        const std::string text(1000, 'y');
        user_write(init_data, std::as_bytes(std::span(text)));
        CHECK(ask(SystemCall::console_write, console_handle, at, 1000).value == 1000);
        CHECK(proc_machine().console == text);
        CHECK(ask(SystemCall::console_write, console_handle, at, 0).value == 0);
        // What comes before a hole is written.
        const std::uint64_t end = at + init_data_bytes;
        CHECK(ask(SystemCall::console_write, console_handle, end - 300, 600).value == 256);
        CHECK(ask(SystemCall::console_write, console_handle, end, 5).error == Error::bad_address);

        type("abc");
        CHECK(ask(SystemCall::console_read, console_handle, at, 2).value == 2);
        CHECK(ask(SystemCall::console_read, console_handle, at, 1000).value == 1);
        CHECK(get<char>(init_data) == 'c');
        CHECK(ask(SystemCall::console_read, console_handle, at, 0).error ==
              Error::invalid_argument);
        std::string typed;
        const Answer reader = start_thread([&] {
            const Answer taken = ask(SystemCall::console_read, console_handle, at, 100);
            typed.resize(taken.value);
            user_read(init_data, std::as_writable_bytes(std::span(typed)));
        });
        ask(SystemCall::thread_sleep, 1000);
        type("later");
        ask(SystemCall::wait, reader.value);
        CHECK(typed == "later");
        const Answer writer = ask(SystemCall::handle_duplicate, console_handle, abi::right_send);
        CHECK(ask(SystemCall::console_read, writer.value, at, 1).error == Error::not_permitted);
    });
}

TEST_CASE("proc: a long write gives way when its time is over") {
    Booted booted;
    booted.run([] {
        std::string order;
        const Answer other = start_thread([&] { order += "o"; }, 10);
        const Answer writer = start_thread(
            [&] {
                user_compute(6'000'000);
                ask(SystemCall::console_write, console_handle, init_data.value, 5000);
                order += "w";
            },
            10);
        ask(SystemCall::wait, writer.value);
        ask(SystemCall::wait, other.value);
        CHECK(order == "ow");
    });
}

TEST_CASE("proc: boot words, clock and power") {
    Booted booted;
    proc_machine().boot_words = "ktest verbose";
    booted.run([] {
        CHECK(ask(SystemCall::boot_words, init_data.value, 100).value == 13);
        CHECK(get<std::array<char, 5>>(init_data) == std::array<char, 5>{'k', 't', 'e', 's', 't'});
        put(init_data + 2, 'Z');
        CHECK(ask(SystemCall::boot_words, init_data.value, 2).value == 13);
        CHECK(get<char>(init_data + 2) == 'Z');
        const std::uint64_t before = ask(SystemCall::clock).value;
        user_compute(1000);
        CHECK(ask(SystemCall::clock).value == before + 1000);
        CHECK(ask(SystemCall::power, power_handle, 4).error == Error::invalid_argument);
        const Answer looker = ask(SystemCall::handle_duplicate, power_handle, abi::right_inspect);
        CHECK(ask(SystemCall::power, looker.value, 0).error == Error::not_permitted);
    });
}

TEST_CASE("proc: hostile pointers are refused by every call that takes one") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = ask(SystemCall::object_create, abi::ObjectKind::endpoint).value;
        const std::uint64_t hole = 0x30000000;
        const std::uint64_t last = init_data.value + init_data_bytes - 4; // runs into a hole
        const std::uint64_t bad[] = {0,
                                     8,
                                     hole,
                                     last,
                                     0x7fff'ffff'f000,
                                     0x7fff'ffff'fff8,
                                     0x0000'8000'0000'0000,
                                     0xffff'8000'0000'0000,
                                     ~0ULL,
                                     ~7ULL};
        map(last & ~(page_size - 1), page_size, 3, abi::map_replace);
        for (const std::uint64_t address : bad) {
            CAPTURE(address);
            const auto check = [&](const Answer& answer) {
                CHECK(answer.error == Error::bad_address);
            };
            check(ask(SystemCall::console_write, console_handle, address, 64));
            check(ask(SystemCall::query, 0, 0, address, 3));
            check(ask(SystemCall::nearest, 0, 0, 0, address));
            check(ask(SystemCall::spawn, address, sizeof(abi::SpawnPlan)));
            check(ask(SystemCall::process_info, 0, address, sizeof(abi::ProcessInfo)));
            check(ask(SystemCall::machine_info, address, sizeof(abi::MachineInfo)));
            check(ask(SystemCall::call, end, address | abi::message_whole));
            check(ask(SystemCall::reply_receive, 0, address | abi::message_whole));
            check(ask(SystemCall::query, power_handle, 0, address, 3));
        }
        type("0123456789");
        CHECK(ask(SystemCall::console_read, console_handle, hole, 64).error == Error::bad_address);
        // Lengths that wrap, or leave the user half.
        for (const std::uint64_t bytes : {~0ULL, ~0ULL - init_data.value, 1ULL << 47, 1ULL << 63})
            CHECK(ask(SystemCall::console_write, console_handle, init_data.value, bytes).error ==
                  Error::bad_address);
        // Read-only memory is not written.
        CHECK(ask(SystemCall::machine_info, init_text.value, 16).error == Error::bad_address);
    });
}

TEST_CASE("proc: random calls with random arguments leave the kernel standing") {
    for (unsigned seed = 0; seed < 8; ++seed) {
        CAPTURE(seed);
        Booted booted({.zones = MachineOptions::small_zones()});
        booted.run([seed] {
            std::mt19937_64 random(seed);
            const auto pick = [&](auto&... choices) {
                const std::uint64_t all[] = {choices...};
                return all[random() % std::size(all)];
            };
            std::vector<abi::Handle> handles{1, 2, 3, 0, 77};
            const auto argument = [&]() -> std::uint64_t {
                switch (random() % 6) {
                case 0: return handles[random() % handles.size()];
                case 1: return random() % 40;
                case 2: return init_data.value + random() % init_data_bytes;
                case 3: return random() >> (random() % 64);
                case 4: return (0x10000000 + (random() % 64) * page_size);
                default: return page_size * (random() % 32);
                }
            };
            for (unsigned i = 0; i < 4000; ++i) {
                const auto number = static_cast<SystemCall>(random() % abi::system_call_count);
                switch (number) {
                case SystemCall::thread_exit:
                case SystemCall::power:
                case SystemCall::console_read: // these may wait for ever
                case SystemCall::thread_sleep:
                case SystemCall::call:
                case SystemCall::reply_receive:
                case SystemCall::wait:
                case SystemCall::thread_create: // would need code
                case SystemCall::unmap:         // not of our own data
                case SystemCall::handle_close: continue;
                default: break;
                }
                std::uint64_t a[6];
                for (std::uint64_t& one : a) one = argument();
                if (number == SystemCall::process_kill && a[0] == 0) continue; // the own
                if (number == SystemCall::map || number == SystemCall::protect ||
                    number == SystemCall::discard) {
                    // Not over the test's own data.
                    a[0] = 0x10000000 + (random() % 64) * page_size;
                    a[1] = pick(a[1], a[2]) % (64 * page_size);
                }
                const Answer answer = ask(number, a[0], a[1], a[2], a[3], a[4], a[5]);
                if (number == SystemCall::object_create || number == SystemCall::handle_duplicate) {
                    if (answer.ok()) handles.push_back(answer.value);
                }
            }
            CHECK(ask(SystemCall::process_id).value == 1);
        });
    }
}
