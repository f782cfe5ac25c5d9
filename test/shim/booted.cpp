// SPDX-License-Identifier: MIT
// Booting to a first process, and its plans for others.
#include "shim/booted.hpp"

#include "vm/commit.hpp"
#include "vm/frames.hpp"

#include <cstdio>
#include <cstring>

namespace shim {

namespace {

template <typename T>
void set(std::vector<std::byte>& bytes, std::size_t offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
}

void set_segment(std::vector<std::byte>& bytes, unsigned index, std::uint32_t flags,
                 std::uint64_t offset, std::uint64_t address, std::uint64_t file_bytes,
                 std::uint64_t memory_bytes) {
    const std::size_t at = 64 + index * 56U;
    set(bytes, at, std::uint32_t{1});
    set(bytes, at + 4, flags);
    set(bytes, at + 8, offset);
    set(bytes, at + 16, address);
    set(bytes, at + 32, file_bytes);
    set(bytes, at + 40, memory_bytes);
    set(bytes, at + 48, std::uint64_t{0x1000});
}

/// Addresses for code that tests add, beyond the first process's text.
std::uint64_t next_code = 0;

} // namespace

std::vector<std::byte> elf_program() {
    std::vector<std::byte> bytes(0x3000);
    std::memcpy(bytes.data(),
                "\x7f"
                "ELF\2\1\1",
                7);
    set(bytes, 16, std::uint16_t{2});
    set(bytes, 18, std::uint16_t{62});
    set(bytes, 20, std::uint32_t{1});
    set(bytes, 24, init_text.value);
    set(bytes, 32, std::uint64_t{64});
    set(bytes, 52, std::uint16_t{64});
    set(bytes, 54, std::uint16_t{56});
    set(bytes, 56, std::uint16_t{2});
    set_segment(bytes, 0, 5, 0x1000, init_text.value, 0x1000, 0x1000);
    set_segment(bytes, 1, 6, 0x2000, init_data.value, 0x100, init_data_bytes);
    std::memcpy(bytes.data() + 0x2000, "data of init", 12);
    return bytes;
}

std::vector<std::byte> archive_of(std::string_view path, const std::vector<std::byte>& content) {
    std::vector<std::byte> archive(512 + (content.size() + 511) / 512 * 512 + 1024);
    std::array<char, 512> header{};
    std::memcpy(header.data(), path.data(), path.size());
    std::snprintf(header.data() + 100, 8, "%07o", 0755);
    std::snprintf(header.data() + 108, 8, "%07o", 0);
    std::snprintf(header.data() + 116, 8, "%07o", 0);
    std::snprintf(header.data() + 124, 12, "%011zo", content.size());
    std::snprintf(header.data() + 136, 12, "%011o", 0);
    header[156] = '0';
    std::memcpy(header.data() + 257,
                "ustar\0"
                "00",
                8);
    std::memset(header.data() + 148, ' ', 8);
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    std::snprintf(header.data() + 148, 8, "%06o", sum);
    std::memcpy(archive.data(), header.data(), header.size());
    std::memcpy(archive.data() + 512, content.data(), content.size());
    return archive;
}

Booted::Booted(const MachineOptions& options) : machine_(options) {
    reset_proc_machine();
    next_code = 0x7000'0000'0000;
    load_archive(archive_of("bin/init", elf_program()));
}

abi::Power Booted::run(std::function<void()> init) {
    set_user_code(init_text, [init = std::move(init)](const proc::port::UserStart&) {
        init();
        ask(SystemCall::power, abi::initial_handle(abi::init_power), abi::Power::off);
    });
    return run_machine(proc::run);
}

VirtAddr code_at(UserCode code) {
    const VirtAddr address{next_code};
    next_code += 16;
    set_user_code(address, std::move(code));
    return address;
}

Answer start_thread(std::function<void()> code, unsigned priority, std::uint64_t argument) {
    const VirtAddr entry = code_at([code](const proc::port::UserStart&) { code(); });
    return ask(SystemCall::thread_create, entry.value, init_data.value + init_data_bytes, argument,
               priority);
}

Answer fork_to(std::function<void()> code) {
    proc_machine().forked = std::move(code);
    return ask(SystemCall::fork);
}

abi::ProcessInfo info_of(abi::Handle process) {
    const Answer written =
        ask(SystemCall::process_info, process, init_data.value + 0x7000, sizeof(abi::ProcessInfo));
    if (written.value != sizeof(abi::ProcessInfo)) throw ModelError("process_info failed");
    return get<abi::ProcessInfo>(init_data + 0x7000);
}

Footprint::Footprint() : committed(vm::committed().value), own(info_of(0).committed) {
    vm::drain_frame_caches();
    const auto frames = vm::frame_statistics();
    free = frames.by_kind[static_cast<unsigned>(vm::FrameKind::free)];
    anonymous = frames.by_kind[static_cast<unsigned>(vm::FrameKind::anonymous)];
    tables = frames.by_kind[static_cast<unsigned>(vm::FrameKind::table)];
}

Plan::Plan(std::function<void()> code) {
    std::strcpy(plan.name, "child");
    plan.entry = code_at([code](const proc::port::UserStart&) { code(); }).value;
    plan.stack = init_data.value + init_data_bytes;
    plan.priority = abi::priority_default;
    segments.push_back({.address = init_text.value,
                        .length = page_size,
                        .source = init_text.value,
                        .bytes = page_size,
                        .source_offset = 0,
                        .access = abi::access_read | abi::access_execute,
                        .flags = 0,
                        .reserved = 0});
    segments.push_back({.address = init_data.value,
                        .length = init_data_bytes,
                        .source = init_data.value,
                        .bytes = 0x20,
                        .source_offset = 0x10,
                        .access = abi::access_read | abi::access_write,
                        .flags = 0,
                        .reserved = 0});
}

Answer Plan::spawn(VirtAddr at) {
    plan.segments = at.value + sizeof plan;
    plan.segment_count = segments.size();
    plan.handles = plan.segments + segments.size() * sizeof(abi::PlanSegment);
    plan.handle_count = handles.size();
    put(at, plan);
    user_write(VirtAddr{plan.segments}, std::as_bytes(std::span(segments)));
    user_write(VirtAddr{plan.handles}, std::as_bytes(std::span(handles)));
    return ask(SystemCall::spawn, at.value, sizeof plan);
}

} // namespace shim
