// SPDX-License-Identifier: MIT
// Fork: what the copy has and what it has not, and that failures leave nothing behind.
#include "proc/arenas.hpp"
#include "shim/booted.hpp"
#include "vm/heap.hpp"

#include <doctest/doctest.h>

using namespace shim;

namespace {

constexpr std::uint64_t read_write = abi::access_read | abi::access_write;
constexpr VirtAddr far_away{0x3000'0000};
constexpr VirtAddr message = init_data + 0x1000;

Answer make(abi::ObjectKind kind) { return ask(SystemCall::object_create, kind); }
Answer close(abi::Handle handle) { return ask(SystemCall::handle_close, handle); }
void exit_with(std::uint64_t status) { ask(SystemCall::process_kill, 0, status); }

/// Forks, waits for the copy's end, and forgets it: its status.
std::uint64_t run_forked(std::function<void()> code) {
    const Answer child = fork_to(std::move(code));
    REQUIRE(child.ok());
    REQUIRE(child.value != 0);
    const Answer status = ask(SystemCall::wait, child.value);
    REQUIRE(status.ok());
    CHECK(close(child.value).ok());
    return status.value;
}

/// So that what the kernel keeps for the next one is there.
void warm_up() {
    for (int i = 0; i < 2; ++i) CHECK(run_forked([] { put(init_data, 1); }) == 0);
}

/// Does it once for what the kernel keeps, and once more: then all is as before.
void leaves_nothing(const std::function<void()>& work) {
    work();
    const Footprint before;
    work();
    const Footprint after;
    CHECK(after.committed == before.committed);
    CHECK(after.own == before.own);
    CHECK(after.free == before.free);
    CHECK(after.anonymous == before.anonymous);
    CHECK(after.tables == before.tables);
}

} // namespace

TEST_CASE("proc: a fork's copy has the memory as it was, and from then on its own") {
    Booted booted;
    booted.run([] {
        put(init_data + 0x10, 1);
        REQUIRE(ask(SystemCall::map, far_away.value, 4 * page_size, read_write, abi::map_fixed, 0)
                    .ok());
        put(far_away + page_size, 11);
        CHECK(run_forked([] {
                  CHECK(ask(SystemCall::process_id).value == 2);
                  CHECK(get<int>(init_data + 0x10) == 1);
                  CHECK(get<int>(far_away + page_size) == 11);
                  put(init_data + 0x10, 2);
                  put(far_away + 2 * page_size, 12);
                  CHECK(ask(SystemCall::unmap, far_away.value, page_size).ok());
                  exit_with(get<unsigned>(init_data + 0x10) + 40);
              }) == 42);
        CHECK(get<int>(init_data + 0x10) == 1);
        CHECK(get<int>(far_away + 2 * page_size) == 0);
        put(far_away, 10);
        // What the parent changes between the call and the copy's first instruction is its own.
        const Answer child = fork_to([] {
            CHECK(get<int>(far_away) == 10);
            CHECK(get<int>(far_away + page_size) == 11);
            exit_with(7);
        });
        put(far_away, 20);
        REQUIRE(ask(SystemCall::unmap, far_away.value + page_size, page_size).ok());
        CHECK(ask(SystemCall::wait, child.value).value == 7);
        const abi::ProcessInfo info = info_of(child.value);
        CHECK(std::string_view(info.name) == info_of(0).name);
        CHECK(info.exited == 1);
        CHECK(info.anonymous == 0);
    });
}

TEST_CASE("proc: three generations write the same page, each its own") {
    Booted booted;
    booted.run([] {
        put(init_data, 1);
        CHECK(run_forked([] {
                  put(init_data, 2);
                  const std::uint64_t grandchild = run_forked([] {
                      CHECK(get<int>(init_data) == 2);
                      put(init_data, 3);
                      exit_with(static_cast<unsigned>(get<int>(init_data)));
                  });
                  CHECK(get<int>(init_data) == 2);
                  exit_with(grandchild);
              }) == 3);
        CHECK(get<int>(init_data) == 1);
    });
}

TEST_CASE("proc: a copy's handles have the same values, and are its own") {
    Booted booted;
    booted.run([] {
        const abi::Handle closed = make(abi::ObjectKind::notification).value;
        const abi::Handle note = make(abi::ObjectKind::notification).value;
        const abi::Handle send = ask(SystemCall::handle_duplicate, note, abi::right_send).value;
        REQUIRE(close(closed).ok());
        const abi::Handle next = make(abi::ObjectKind::notification).value;
        REQUIRE(close(next).ok());
        const Answer child = fork_to([=] {
            CHECK(close(closed).error == Error::bad_handle);
            CHECK(close(next).error == Error::bad_handle);
            CHECK(ask(SystemCall::wait, send).error == Error::not_permitted);
            CHECK(ask(SystemCall::signal, send, 5).ok());
            CHECK(close(note).ok());
            CHECK(close(note).error == Error::bad_handle);
            // A free slot's next value is the same in both.
            const abi::Handle fresh = make(abi::ObjectKind::notification).value;
            CHECK((fresh & 0xffff) == (note & 0xffff));
            exit_with(make(abi::ObjectKind::notification).value & 0xffff);
        });
        CHECK(ask(SystemCall::wait, note).value == 5);
        CHECK(ask(SystemCall::wait, child.value).value == (next & 0xffff));
        CHECK(ask(SystemCall::signal, send, 1).ok());
        CHECK(ask(SystemCall::wait, note).value == 1);
        // The parent's handle to the copy is as spawn's, and not in the copy.
        CHECK(ask(SystemCall::handle_duplicate, child.value, abi::right_inspect).ok());
        CHECK(ask(SystemCall::process_kill, child.value, 1).ok());
        const abi::Handle expected = fork_to([] {}).value;
        REQUIRE(ask(SystemCall::wait, expected).ok());
        REQUIRE(close(expected).ok());
        CHECK(run_forked([=] { exit_with(close(expected).error == Error::bad_handle ? 3 : 4); }) ==
              3);
    });
}

TEST_CASE("proc: a copy's handles count among senders and receivers") {
    Booted booted;
    booted.run([] {
        const abi::Handle all = make(abi::ObjectKind::endpoint).value;
        const abi::Handle send = ask(SystemCall::handle_duplicate, all, abi::right_send).value;
        const abi::Handle receive =
            ask(SystemCall::handle_duplicate, all, abi::right_receive).value;
        REQUIRE(close(all).ok());
        const Answer child = fork_to([=] {
            CHECK(close(send).ok());
            ask(SystemCall::thread_sleep, 5'000'000);
            CHECK(ask(SystemCall::reply_receive, receive, message.value).ok());
            ask(SystemCall::thread_sleep, ~0ULL);
        });
        // The copy alone can receive now, so the call waits for it, until it ends.
        REQUIRE(close(receive).ok());
        const Answer caller = start_thread([=] {
            CHECK(ask(SystemCall::call, send, message.value + 0x100).error == Error::peer_closed);
        });
        ask(SystemCall::thread_sleep, 10'000'000);
        CHECK(info_of(0).threads == 2);
        REQUIRE(ask(SystemCall::process_kill, child.value, 1).ok());
        CHECK(ask(SystemCall::wait, caller.value).ok());
        CHECK(ask(SystemCall::wait, child.value).value == 1);

        const abi::Handle both = make(abi::ObjectKind::endpoint).value;
        const abi::Handle heard = ask(SystemCall::handle_duplicate, both, abi::right_receive).value;
        const Answer listener = fork_to([=] {
            CHECK(close(both).ok());
            CHECK(ask(SystemCall::reply_receive, heard, message.value).error == Error::peer_closed);
            exit_with(6);
        });
        ask(SystemCall::thread_sleep, 1'000'000);
        CHECK(info_of(listener.value).exited == 0);
        REQUIRE(close(both).ok());
        CHECK(ask(SystemCall::wait, listener.value).value == 6);
    });
}

TEST_CASE("proc: a call to answer stays with the one who received it") {
    Booted booted;
    booted.run([] {
        const abi::Handle end = make(abi::ObjectKind::endpoint).value;
        const auto caller = [=] { CHECK(ask(SystemCall::call, end, message.value + 0x100).ok()); };
        const Answer first = start_thread(caller);
        const Answer second = start_thread(caller);
        REQUIRE(ask(SystemCall::reply_receive, end, message.value).ok());
        const Answer kept = ask(SystemCall::handle_duplicate, abi::received_call, 0);
        REQUIRE(kept.ok());
        REQUIRE(ask(SystemCall::reply_receive, end, message.value).ok());
        CHECK(run_forked([=] {
                  CHECK(close(kept.value).error == Error::bad_handle);
                  CHECK(ask(SystemCall::handle_duplicate, abi::received_call, 0).error ==
                        Error::bad_handle);
                  const abi::Handle fresh = make(abi::ObjectKind::notification).value;
                  CHECK((fresh & 0xffff) == (kept.value & 0xffff));
                  CHECK(fresh != kept.value);
                  exit_with(9);
              }) == 9);
        CHECK(ask(SystemCall::reply_receive, 0, 0).ok());
        abi::Message answer{};
        answer.call = kept.value;
        put(message, answer);
        CHECK(ask(SystemCall::reply_receive, 0, message.value | abi::message_whole).ok());
        CHECK(ask(SystemCall::wait, first.value).ok());
        CHECK(ask(SystemCall::wait, second.value).ok());
    });
}

TEST_CASE("proc: of all threads the calling one alone goes on in the copy, as it was") {
    Booted booted;
    booted.run([] {
        const auto sleeper = [] { ask(SystemCall::thread_sleep, 50'000'000); };
        const Answer other = start_thread(sleeper);
        bool stepped = false;
        const VirtAddr handler = code_at([&](const proc::port::UserStart& start) {
            auto frame = get<abi::UpcallFrame>(start.stack);
            frame.rip += 2;
            put(start.stack, frame);
            stepped = true;
        });
        const Answer forker = start_thread(
            [=, &stepped] {
                ask(SystemCall::thread_upcalls, handler.value, init_data.value + 0x4000, page_size,
                    0, 0);
                const Answer mapped = ask(SystemCall::map, 0, page_size, read_write, 0, 0);
                CHECK(run_forked([=, &stepped] {
                          CHECK(info_of(0).threads == 1);
                          CHECK(ask(SystemCall::thread_priority, 0, 11).value == 20);
                          get<int>(VirtAddr{0x7777'0000}); // skipped by the handler
                          CHECK(stepped);
                          const Answer again = ask(SystemCall::map, 0, page_size, read_write, 0, 0);
                          CHECK(again.value == mapped.value + page_size);
                          // Its threads' arenas are apart from its own.
                          bool ran = false;
                          const Answer more = start_thread([&] {
                              const VirtAddr own{
                                  ask(SystemCall::map, 0, page_size, read_write, 0, 0).value};
                              CHECK(own < proc::Arenas::range(1).start);
                              ran = true;
                          });
                          CHECK(ask(SystemCall::wait, more.value).ok());
                          CHECK(ran);
                          // The parent's thread, which goes on there.
                          CHECK(ask(SystemCall::thread_priority, other.value, 9).value ==
                                abi::priority_default);
                          exit_with(1);
                      }) == 1);
                CHECK(ask(SystemCall::thread_priority, 0, 20).value == 20);
            },
            20);
        CHECK(ask(SystemCall::wait, forker.value).ok());
        CHECK(stepped);
        CHECK(info_of(0).threads == 2);
        CHECK(ask(SystemCall::thread_priority, other.value, 9).value == 9);
        CHECK(ask(SystemCall::wait, other.value).ok());
    });
}

TEST_CASE("proc: whichever allocation of a fork fails, nothing is left behind") {
    Booted booted;
    booted.run([] {
        const abi::Handle note = make(abi::ObjectKind::notification).value;
        REQUIRE(ask(SystemCall::map, far_away.value, 8 * page_size, read_write, abi::map_fixed, 0)
                    .ok());
        for (unsigned page = 0; page < 8; page += 2) put(far_away + page * page_size, page);
        warm_up();
        const Footprint before;
        unsigned failures = 0;
        for (;; ++failures) {
            REQUIRE(failures < 300);
            fail_allocation_after(failures);
            const Answer child = fork_to([=] {
                for (unsigned page = 0; page < 8; page += 2)
                    CHECK(get<unsigned>(far_away + page * page_size) == page);
                exit_with(ask(SystemCall::signal, note, 2).ok() ? 0 : 1);
            });
            if (!allow_allocations()) {
                REQUIRE(child.ok());
                CHECK(ask(SystemCall::wait, child.value).value == 0);
                close(child.value);
                break;
            }
            CHECK(child.error == Error::no_memory);
            CHECK(Footprint() == before);
        }
        CHECK(failures > 5);
        CHECK(ask(SystemCall::wait, note).value == 2);
        CHECK(Footprint() == before);
    });
}

TEST_CASE("proc: a fork shares its parent's limits, and is refused at each") {
    Booted booted;
    booted.run([] {
        Plan plan([] {
            warm_up();
            const abi::ProcessInfo own = info_of(0);
            CHECK(run_forked([] {
                      CHECK(info_of(0).memory_limit == 400);
                      CHECK(info_of(0).handle_limit == 10);
                      exit_with(2);
                  }) == 2);
            CHECK(info_of(0).committed == own.committed);
            // Room for handles, and none for the copy's.
            abi::Handle last = abi::no_handle;
            unsigned made = 0;
            for (;; ++made) {
                const Answer handle = make(abi::ObjectKind::notification);
                if (!handle.ok()) break;
                last = handle.value;
            }
            CHECK(made == 10);
            const std::uint64_t committed = info_of(0).committed;
            CHECK(fork_to([] { CHECK(false); }).error == Error::limit_reached);
            CHECK(info_of(0).committed == committed);
            REQUIRE(close(last).ok());
            CHECK(run_forked([] {}) == 0);
            // At every distance from the limit on memory: granted, or refused with nothing left.
            unsigned granted = 0;
            unsigned refused = 0;
            for (std::uint64_t at = far_away.value;; at += page_size) {
                const Answer page =
                    ask(SystemCall::map, at, page_size, read_write, abi::map_fixed, 0);
                if (!page.ok()) break;
                const std::uint64_t held = info_of(0).committed;
                const Answer child = fork_to([] {});
                if (child.ok()) {
                    CHECK(ask(SystemCall::wait, child.value).ok());
                    CHECK(close(child.value).ok());
                    ++granted;
                } else {
                    CHECK(child.error == Error::limit_reached);
                    ++refused;
                }
                CHECK(info_of(0).committed == held);
            }
            CHECK(granted > 10);
            CHECK(refused > 10);
            exit_with(5);
        });
        plan.plan.memory_limit = 400;
        plan.plan.handle_limit = 10;
        leaves_nothing([&] {
            const Answer child = plan.spawn();
            REQUIRE(child.ok());
            CHECK(ask(SystemCall::wait, child.value).value == 5);
            close(child.value);
        });
    });
}

TEST_CASE("proc: a copy can be ended before it runs, and outlives its parent") {
    Booted booted;
    booted.run([] {
        leaves_nothing([] {
            const Answer child = fork_to([] { CHECK(false); });
            REQUIRE(child.ok());
            REQUIRE(ask(SystemCall::process_kill, child.value, 12).ok());
            CHECK(ask(SystemCall::wait, child.value).value == 12);
            close(child.value);
        });
        const abi::Handle go = make(abi::ObjectKind::notification).value;
        const abi::Handle done = make(abi::ObjectKind::notification).value;
        leaves_nothing([=] {
            put(init_data + 0x20, 33);
            CHECK(run_forked([=] {
                      put(init_data + 0x20, 44);
                      CHECK(fork_to([=] {
                                CHECK(ask(SystemCall::wait, go).ok());
                                CHECK(get<int>(init_data + 0x20) == 44);
                                ask(SystemCall::signal, done, 1);
                            }).ok());
                      exit_with(1);
                  }) == 1);
            CHECK(ask(SystemCall::signal, go, 1).ok());
            CHECK(ask(SystemCall::wait, done).value == 1);
            ask(SystemCall::thread_sleep, 1'000'000);
        });
    });
}

TEST_CASE("proc: threads that fork while another ends the process leave nothing behind") {
    Booted booted;
    booted.run([] {
        leaves_nothing([] {
            CHECK(run_forked([] {
                      const auto fork_often = [] {
                          for (;;) {
                              const Answer child = fork_to([] { user_compute(1'000'000); });
                              if (!child.ok()) break;
                              close(child.value);
                              ask(SystemCall::thread_sleep, 0);
                          }
                      };
                      for (int i = 0; i < 3; ++i) CHECK(start_thread(fork_often).ok());
                      ask(SystemCall::thread_sleep, 20'000'000);
                      exit_with(8);
                  }) == 8);
            ask(SystemCall::thread_sleep, 500'000'000);
        });
    });
}

namespace {

void generation(unsigned left, abi::Handle done) {
    if (left == 0) {
        ask(SystemCall::signal, done, static_cast<unsigned>(get<int>(init_data + 0x30)));
        return;
    }
    put(init_data + 0x30, get<int>(init_data + 0x30) + 1);
    if (!fork_to([=] { generation(left - 1, done); }).ok())
        ask(SystemCall::signal, done, 1ULL << 40);
}

} // namespace

TEST_CASE("proc: a thousand generations leave memory as it was") {
    Booted booted;
    booted.run([] {
        const abi::Handle done = make(abi::ObjectKind::notification).value;
        leaves_nothing([=] {
            put(init_data + 0x30, 0);
            CHECK(run_forked([=] { generation(1000, done); }) == 0);
            CHECK(ask(SystemCall::wait, done).value == 1000);
            ask(SystemCall::thread_sleep, 1'000'000);
            CHECK(get<int>(init_data + 0x30) == 0);
        });
    });
}
