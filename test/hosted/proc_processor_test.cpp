// SPDX-License-Identifier: MIT
// Several CPUs' run queues: where threads are put, what an idle CPU takes, who is told.
#include "proc/processor.hpp"
#include "proc/scheduler.hpp"
#include "shim/booted.hpp"

#include <doctest/doctest.h>

#include <array>
#include <memory>

namespace {

using namespace proc;
using shim::proc_machine;
using shim::set_cpu;

/// Four CPUs that run their idle threads, and threads that nobody runs yet.
struct Cpus {
    shim::Machine machine{{.cpus = 4}};
    std::array<std::unique_ptr<Thread>, 4> idle;
    std::array<std::unique_ptr<Thread>, 6> threads;

    Cpus() {
        shim::reset_proc_machine();
        reset_processors();
        for (unsigned cpu = 0; cpu < idle.size(); ++cpu) {
            set_cpu(cpu);
            idle[cpu] = std::make_unique<Thread>();
            idle[cpu]->cpu = cpu;
            idle[cpu]->on_cpu = true;
            open_processor(*idle[cpu]);
        }
        set_cpu(0);
        port::become_thread(*idle[0], idle[0]->machine);
        for (auto& thread : threads) {
            thread = std::make_unique<Thread>();
            thread->priority = abi::priority_default;
        }
    }
    ~Cpus() {
        for (Processor& cpu : std::span(processors, 4))
            while (cpu.ready.pop() != nullptr) {
            }
        reset_processors();
        set_cpu(0);
    }
    Thread& operator[](std::size_t index) { return *threads[index]; }
    /// The CPU runs the thread.
    void occupy(unsigned cpu, Thread& thread) {
        thread.cpu = cpu;
        thread.on_cpu = true;
        processors[cpu].running = &thread;
    }
};

struct Only : vm::CpuSet {
    explicit Only(unsigned cpu) { add(cpu); }
};

} // namespace

TEST_CASE("processor: a thread goes where it ran last") {
    Cpus cpus;
    cpus[0].cpu = 2;
    CHECK(place(cpus[0]) == 2);
    set_idle(processors[2], true);
    set_idle(processors[1], true);
    CHECK(place(cpus[0]) == 2);
    set_idle(processors[2], false);
    CHECK(place(cpus[0]) == 1); // busy, and another is idle
}

TEST_CASE("processor: a thread whose stack is in use stays") {
    Cpus cpus;
    cpus[0].cpu = 2;
    cpus[0].on_cpu = true;
    set_idle(processors[1], true);
    CHECK(place(cpus[0]) == 2);
    cpus[0].affinity.assign(Only(3));
    CHECK(place(cpus[0]) == 2);
    cpus[0].on_cpu = false;
    CHECK(place(cpus[0]) == 3);
}

TEST_CASE("processor: affinity decides before idleness") {
    Cpus cpus;
    cpus[0].cpu = 0;
    cpus[0].affinity.assign(Only(2));
    set_idle(processors[1], true);
    CHECK(place(cpus[0]) == 2);
    cpus[0].affinity.add(1);
    CHECK(place(cpus[0]) == 1);
    CHECK(any_processor_of(Only(3)));
    CHECK_FALSE(any_processor_of(Only(4)));
    CHECK_FALSE(any_processor_of(Only(200)));
    CHECK_FALSE(any_processor_of(vm::CpuSet{}));
}

TEST_CASE("processor: an idle CPU takes the most urgent thread that may come") {
    Cpus cpus;
    Processor& victim = processors[1];
    cpus[0].priority = 9;
    cpus[1].priority = 20;
    cpus[2].priority = 21;
    cpus[3].priority = 22;
    cpus[2].affinity.assign(Only(1));
    cpus[3].on_cpu = true; // CPU 1 is still on its way off it
    for (unsigned i = 0; i < 4; ++i) {
        cpus[i].cpu = 1;
        victim.ready.push_back(cpus[i]);
    }
    CHECK(steal(processors[0]) == &cpus[1]);
    CHECK(cpus[1].cpu == 0);
    CHECK(steal(processors[3]) == &cpus[0]);
    CHECK(steal(processors[3]) == nullptr);
    cpus[3].on_cpu = false;
    CHECK(steal(processors[3]) == &cpus[3]);
    CHECK(victim.ready.contains(cpus[2]));
    CHECK(steal(processors[1]) == nullptr); // not from itself
}

TEST_CASE("processor: another CPU is interrupted when it should look") {
    Cpus cpus;
    cpus.occupy(1, cpus[5]);
    auto& told = proc_machine().rescheduled;
    const auto ready = [&](unsigned index, unsigned priority) {
        told.clear();
        cpus[index].cpu = 1;
        cpus[index].priority = static_cast<std::uint8_t>(priority);
        make_ready(cpus[index]);
        return told;
    };
    CHECK(ready(0, abi::priority_default + 1) == std::vector{1U});
    CHECK(ready(1, abi::priority_default) == std::vector{1U});
    CHECK(ready(2, abi::priority_default - 1).empty());
    set_idle(processors[3], true);
    CHECK(ready(3, abi::priority_default - 1) == std::vector{3U}); // to the idle one's queue
    CHECK(processors[3].ready.contains(cpus[3]));
    cpus[4].on_cpu = true; // can't move: the idle one is roused all the same, to look later
    CHECK(ready(4, abi::priority_default - 1) == std::vector{3U});
    CHECK(processors[1].ready.contains(cpus[4]));
}

TEST_CASE("processor: a queued thread's priority and affinity can change") {
    Cpus cpus;
    auto& told = proc_machine().rescheduled;
    for (unsigned i = 0; i < 3; ++i) {
        cpus[i].cpu = 2;
        processors[2].ready.push_back(cpus[i]);
    }
    CHECK(set_priority(cpus[1], 20) == abi::priority_default);
    CHECK(told == std::vector{2U});
    CHECK(processors[2].ready.highest() == 20);
    told.clear();
    set_affinity(cpus[1], Only(3));
    CHECK(processors[3].ready.contains(cpus[1]));
    CHECK(cpus[1].cpu == 3);
    CHECK(processors[2].ready.highest() == abi::priority_default);
    // A priority written while it is queued doesn't lose it: it is found where it was put.
    cpus[0].priority = 3;
    CHECK(processors[2].ready.pop() == &cpus[0]);
    CHECK(processors[2].ready.pop() == &cpus[2]);
    CHECK(processors[2].ready.empty());
    // One that runs is told to look; it leaves by itself.
    cpus.occupy(2, cpus[4]);
    told.clear();
    set_affinity(cpus[4], Only(0));
    CHECK(told == std::vector{2U});
    CHECK(cpus[4].unsettled);
}
