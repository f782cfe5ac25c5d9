// SPDX-License-Identifier: MIT
// Scaled time: nanoseconds = (TSC - start) * 2^32 * 10^9 / frequency / 2^32. Each CPU has a start
// of its own, should their TSCs differ.
#include "arch/time/clock.hpp"

#include "arch/apic/local_apic.hpp"
#include "arch/boot/boot_information.hpp"
#include "arch/console/screen.hpp"
#include "arch/cpu/area.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/cpu_features.hpp"
#include "arch/log.hpp"
#include "arch/time/calibration.hpp"
#include "arch/trap/interrupts.hpp"
#include "lib/strings.hpp"
#include "proc/port.hpp"

#include <algorithm>

namespace arch {

namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t nanoseconds_per_second = 1'000'000'000;
constexpr std::uint64_t no_alarm = ~0ULL;

/// A factor with 32 binary places.
struct Scale {
    std::uint64_t factor = 0;
    /// to / from; the quotient fits where `to` is less than 2^32 times `from`.
    static Scale ratio(std::uint64_t to, std::uint64_t from) {
        std::uint64_t quotient = to << 32;
        std::uint64_t rest = to >> 32;
        asm("divq %2" : "+a"(quotient), "+d"(rest) : "r"(from) : "cc");
        return {quotient};
    }
    std::uint64_t operator()(std::uint64_t value) const {
        return static_cast<std::uint64_t>((Wide{value} * factor) >> 32);
    }
};

constinit Scale tsc_to_nanoseconds{};
constinit Scale nanoseconds_to_tsc{};
constinit Scale nanoseconds_to_timer{};
constinit bool deadline_timer = false;
constinit std::uint64_t device_alarm = no_alarm;
constinit AlarmHandler device_handler = nullptr;

/// `perturb=N`: every CPU's timer rings at least every N nanoseconds; 0: not wanted. In an emulator
/// that counts instructions, each N gives another interleaving of the CPUs, always the same.
constinit std::uint64_t perturbation_period = 0;
constexpr std::uint64_t shortest_perturbation = 2000; // less leaves no time between interrupts

void read_perturbation() {
    const auto word = boot_word_value("perturb");
    if (!word) return;
    const auto period = lib::parse_unsigned_as<std::uint32_t>(*word);
    if (!period || *period < shortest_perturbation) {
        log("clock: perturb={} is no number from {}: ignored", *word, shortest_perturbation);
        return;
    }
    perturbation_period = *period;
    log("clock: perturbed every {} ns", perturbation_period);
}

/// The earliest of what this CPU's timer is wanted for.
std::uint64_t next_alarm(const CpuArea& area) {
    const std::uint64_t alarm = std::min(area.alarm, area.perturbation);
    return area.number == 0 ? std::min(alarm, device_alarm) : alarm;
}

/// Starts this CPU's timer for its alarms; it may ring early, where its count has too few bits.
void start_alarm(const CpuArea& area) {
    const std::uint64_t alarm = next_alarm(area);
    if (alarm == no_alarm) {
        if (deadline_timer) {
            write_msr(Msr::tsc_deadline, 0);
        } else {
            local_apic::start_timer(0);
        }
        return;
    }
    if (deadline_timer) {
        // A time that has passed rings at once; rounded up, so that it does not ring before.
        write_msr(Msr::tsc_deadline, area.clock_start + nanoseconds_to_tsc(alarm) + 1);
        return;
    }
    constexpr std::uint64_t longest = 0xffff'ffff;
    const std::uint64_t now = proc::port::now();
    const std::uint64_t left = std::min(alarm > now ? alarm - now : 0, nanoseconds_per_second);
    local_apic::start_timer(
        static_cast<std::uint32_t>(std::min(nanoseconds_to_timer(left) + 1, longest)));
}

void ring_device() {
    if (proc::port::now() < device_alarm) return;
    device_alarm = no_alarm;
    device_handler();
}

/// The next of this CPU's perturbations, once the last one has come.
void perturb(CpuArea& area) {
    const std::uint64_t now = proc::port::now();
    if (area.perturbation == no_alarm || now >= area.perturbation)
        area.perturbation = now + perturbation_period;
}

void ring() {
    screen::refresh_if_due();
    CpuArea& area = this_cpu();
    if (area.number == 0 && device_alarm != no_alarm) ring_device();
    if (area.perturbation != no_alarm) perturb(area);
    // It may have been taken back while the interrupt was on its way.
    if (proc::port::now() < area.alarm) return start_alarm(area);
    area.alarm = no_alarm;
    if (next_alarm(area) != no_alarm) start_alarm(area); // the timer rings once
    proc::handle_timer();
}

} // namespace

void initialise_clock() {
    deadline_timer = cpu_features().tsc_deadline;
    local_apic::connect_timer(vector_timer, false);
    const Frequencies frequencies = measure_frequencies();
    tsc_to_nanoseconds = Scale::ratio(nanoseconds_per_second, frequencies.tsc);
    nanoseconds_to_tsc = Scale::ratio(frequencies.tsc, nanoseconds_per_second);
    nanoseconds_to_timer = Scale::ratio(frequencies.timer, nanoseconds_per_second);
    this_cpu().clock_start = read_tsc();
    set_interrupt_handler(vector_timer, ring);
    if (deadline_timer) local_apic::connect_timer(vector_timer, true);
    read_perturbation();
    start_perturbation();
}

void initialise_cpu_clock() { local_apic::connect_timer(vector_timer, deadline_timer); }

void start_perturbation() {
    if (perturbation_period == 0) return;
    perturb(this_cpu());
    start_alarm(this_cpu());
}

void pause_perturbation() {
    if (perturbation_period == 0) return;
    this_cpu().perturbation = no_alarm;
    start_alarm(this_cpu());
}

std::uint64_t nanoseconds_per_tick() { return tsc_to_nanoseconds.factor; }

void wait_nanoseconds(std::uint64_t nanoseconds) {
    const std::uint64_t end = proc::port::now() + nanoseconds;
    while (proc::port::now() < end) asm volatile("pause");
}

void connect_device_alarm(AlarmHandler handler) { device_handler = handler; }

void set_device_alarm(std::uint64_t nanoseconds) {
    if (device_alarm == nanoseconds) return;
    device_alarm = nanoseconds;
    start_alarm(this_cpu());
}

} // namespace arch

namespace proc::port {

std::uint64_t now() {
    return arch::tsc_to_nanoseconds(arch::read_tsc() - arch::this_cpu().clock_start);
}

std::uint64_t time_run(const ThreadState& state, bool running, unsigned cpu) {
    std::uint64_t ticks = state.ticks_run;
    const std::uint64_t since = state.running_since;
    const std::uint64_t there =
        arch::read_tsc() - arch::this_cpu().clock_start + arch::cpu_areas[cpu]->clock_start;
    if (running && there > since) ticks += there - since;
    return arch::tsc_to_nanoseconds(ticks);
}

void set_alarm(std::uint64_t nanoseconds) {
    arch::CpuArea& area = arch::this_cpu();
    if (area.alarm == nanoseconds) return;
    area.alarm = nanoseconds;
    arch::start_alarm(area);
}

} // namespace proc::port
