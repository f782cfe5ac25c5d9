// SPDX-License-Identifier: MIT
// INIT for all, then one after the other its start-up commands and its way into the kernel (SDM
// vol. 3A, 8.4.4).
#include "arch/smp/processors.hpp"

#include "arch/apic/controllers.hpp"
#include "arch/apic/local_apic.hpp"
#include "arch/boot/boot_information.hpp"
#include "arch/log.hpp"
#include "arch/smp/start.hpp"
#include "arch/smp/trampoline.hpp"
#include "arch/time/clock.hpp"
#include "lib/strings.hpp"
#include "proc/port.hpp"
#include "vm/heap.hpp"

namespace arch {

namespace {

using Processors = std::span<const lib::ListedProcessor>;
using Stage = Start::Stage;

// Nanoseconds. The first two are the SDM's; the third is what a busy emulator may need.
constexpr std::uint64_t after_init = 10'000'000;
constexpr std::uint64_t after_startup = 200'000;
constexpr std::uint64_t patience = 1'000'000'000;

/// Whether a processor that was called never answered.
constinit bool silent = false;

void report_left_out(std::uint32_t apic_id, const char* why, const char* what = nullptr) {
    log("processors: local APIC {} left out: {}{}{}", apic_id, why, what == nullptr ? "" : " ",
        what == nullptr ? "" : what);
}

/// Waits until the start has left `stage`; false when it did not in time.
bool leaves(const Start& start, Stage stage, std::uint64_t time) {
    const std::uint64_t begin = proc::port::now();
    while (start.stage.load() == stage) {
        if (proc::port::now() - begin > time) return false;
        asm volatile("pause");
    }
    return true;
}

/// Calls it with two start-up commands, the second only if the first has no effect.
bool call(std::uint32_t apic_id, const Start& start) {
    const std::uint32_t command = local_apic::command_startup | trampoline::start_page();
    local_apic::send(apic_id, command);
    if (leaves(start, Stage::offered, after_startup)) return true;
    local_apic::send(apic_id, command);
    return leaves(start, Stage::offered, patience);
}

void report_clock(const Start& start) {
    const TscComparison& comparison = start.comparison;
    if (!comparison.found().differ()) return;
    const std::int64_t ahead = comparison.found().ahead();
    log("processors: CPU {}: TSC {} ticks {} the boot CPU's: {}", start.area->number,
        ahead < 0 ? -ahead : ahead, ahead < 0 ? "behind" : "ahead of",
        comparison.counted_with() == 0 ? "adjusted" : "counted with");
}

/// Goes with a processor that came to the end of its way. True when it joined; else says why not.
bool accompany(Start& start) {
    if (leaves(start, Stage::arrived, patience) && start.stage.load() == Stage::comparing &&
        start.comparison.ask()) {
        leaves(start, Stage::comparing, patience);
    }
    const Stage reached = start.stage.exchange(Stage::abandoned);
    if (reached == Stage::joined) return true;
    report_left_out(start.area->apic_id,
                    reached == Stage::refused ? "it lacks" : "it stopped on its way",
                    start.missing);
    return false;
}

unsigned wanted_cpus(std::size_t listed) {
    const auto word = boot_word_value("cpus");
    if (!word) return static_cast<unsigned>(listed);
    const auto number = lib::parse_unsigned_as<std::uint32_t>(*word);
    if (!number || *number == 0) {
        log("processors: cpus={} is no number from 1: ignored", *word);
        return static_cast<unsigned>(listed);
    }
    if (*number >= listed) return static_cast<unsigned>(listed);
    log("processors: {} left out: cpus={}", listed - *number, *number);
    return *number;
}

/// Those that the firmware's table lists and that were never tried.
void report_unlisted(const lib::ProcessorCounts& counts) {
    const auto report = [](std::size_t number, const char* why) {
        if (number != 0) log("processors: {} left out: {}", number, why);
    };
    report(counts.unreachable, "the local APIC can't reach their numbers");
    report(counts.duplicates, "listed twice");
    report(counts.for_later, "not there yet");
    report(counts.beyond_list, "more than the kernel can use");
}

/// Sends them to where start-up commands are waited for: those that are not to be started as well,
/// so that they no longer run whatever the firmware left them in.
void reset(Processors processors) {
    for (const lib::ListedProcessor& processor : processors)
        local_apic::send(processor.apic_id, local_apic::command_init);
}

void start_all(Processors processors) {
    if (!trampoline::prepare()) {
        log("processors: no free memory below 1 MiB to start the others in");
        return;
    }
    wait_nanoseconds(after_init);
    trampoline::open();
    for (const lib::ListedProcessor& processor : processors)
        static_cast<void>(start_processor(processor.apic_id));
    trampoline::close(!silent);
}

} // namespace

bool start_processor(std::uint32_t apic_id) {
    const Result<Start*> start = vm::heap_new<Start>();
    const Result<CpuArea*> area = make_cpu_area();
    if (!start || !area) {
        report_left_out(apic_id, "no memory");
        if (start) vm::heap_delete(*start);
        if (area) free_cpu_area(**area);
        return false;
    }
    (*start)->area = *area;
    (*area)->apic_id = apic_id;
    offer_start(apic_id, **start);
    if (!call(apic_id, **start) && withdraw_start(apic_id)) {
        report_left_out(apic_id, "no answer");
        silent = true;
        free_cpu_area(**area);
        vm::heap_delete(*start);
        return false;
    }
    // A processor that came, and was left out, stands on its stack for ever: that stays its own.
    if (!accompany(**start)) return false;
    add_cpu(**area);
    report_clock(**start);
    vm::heap_delete(*start);
    return true;
}

void start_processors() {
    const Processors listed = listed_processors();
    const unsigned wanted = wanted_cpus(listed.size());
    report_unlisted(processor_counts());
    reset(listed.subspan(1));
    if (wanted > 1) start_all(listed.subspan(1, wanted - 1));
    log("processors: {} of {} started", cpu_count(), listed.size());
}

} // namespace arch
