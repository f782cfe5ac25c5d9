// SPDX-License-Identifier: MIT
// Calls about the machine: console, memory figures, time, power.
#include "proc/calls/calls.hpp"
#include "proc/process.hpp"
#include "proc/processor.hpp"
#include "proc/resources.hpp"
#include "proc/scheduler.hpp"
#include "proc/user_memory.hpp"
#include "vm/frames.hpp"
#include "vm/validate.hpp"

#include <algorithm>
#include <array>

namespace proc::calls {

namespace {

/// Text crosses by so many bytes at once.
constexpr std::size_t text_batch = 256;

constexpr std::uint64_t kibibytes(std::uint64_t pages) { return pages * (page_size / 1024); }

} // namespace

Answer console_write(std::uint64_t handle, std::uint64_t address, std::uint64_t bytes) {
    TRY(current_process().handles().find<Console>(handle, abi::right_send));
    const UserRange text = TRY(UserRange::make(address, bytes));
    std::array<char, text_batch> batch;
    for (std::uint64_t done = 0; done < bytes;) {
        const std::uint64_t piece = std::min<std::uint64_t>(bytes - done, batch.size());
        if (const auto copied = text.part(done, piece).copy_in(batch.data()); !copied)
            return done != 0 ? Answer(done) : Answer(copied.error());
        port::console_write(std::span(batch).first(piece));
        done += piece;
        // A serial line is slow: others must not wait for all of a long text.
        if (done < bytes) scheduling_point();
        if (port::current_thread().killed()) return done;
    }
    return bytes;
}

Answer console_read(std::uint64_t handle, std::uint64_t address, std::uint64_t bytes) {
    const auto from = TRY(current_process().handles().find<Console>(handle, abi::right_receive));
    if (bytes == 0) return Error::invalid_argument;
    std::array<char, text_batch> batch;
    const UserRange to = TRY(UserRange::make(address, std::min<std::uint64_t>(bytes, text_batch)));
    const std::size_t taken = TRY(from->read(std::span(batch).first(to.bytes())));
    TRY(to.part(0, taken).copy_out(batch.data()));
    return taken;
}

namespace {

abi::MemoryInfo memory_info() {
    using enum vm::FrameKind;
    const vm::FrameStatistics frames = vm::frame_statistics();
    const auto pages = [&](vm::FrameKind kind) {
        return frames.by_kind[static_cast<unsigned>(kind)];
    };
    abi::MemoryInfo info{};
    info.total = kibibytes(frames.total);
    info.free = kibibytes(pages(free));
    info.page_tables = kibibytes(pages(table) + pages(cache_table) + pages(descriptor));
    const vm::AddressSpace::Counts maps = map_counts();
    info.reclaimable = kibibytes(maps.reclaimable);
    info.shared_tables = kibibytes(maps.shared_tables);
    info.kernel = kibibytes(pages(vm::FrameKind::kernel));
    info.anonymous = kibibytes(pages(anonymous));
    info.cache = kibibytes(pages(cache));
    info.committed = kibibytes(vm::committed().value);
    info.commit_limit = kibibytes(vm::commit_limit().value);
    return info;
}

} // namespace

Answer machine_info(std::uint64_t address, std::uint64_t bytes) {
    if constexpr (vm::validates) validate_spaces();
    const abi::MachineInfo info{.processors = processor_count(), .memory = memory_info()};
    return copy_out_versioned(address, bytes, info);
}

Answer clock() { return port::now(); }

Answer boot_words(std::uint64_t address, std::uint64_t bytes) {
    const std::span<const char> words = port::boot_words();
    const std::uint64_t length = std::min<std::uint64_t>(bytes, words.size());
    const UserRange to = TRY(UserRange::make(address, length));
    TRY(to.copy_out(words.data()));
    return words.size();
}

Answer power(std::uint64_t handle, std::uint64_t action) {
    TRY(current_process().handles().find<PowerSwitch>(handle, abi::right_control));
    if (action > static_cast<std::uint64_t>(abi::Power::exit_failure))
        return Error::invalid_argument;
    return port::power(static_cast<abi::Power>(action));
}

} // namespace proc::calls
