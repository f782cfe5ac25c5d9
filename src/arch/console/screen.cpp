// SPDX-License-Identifier: MIT
// Terminal, raster and framebuffer put together. Writing changes cells; drawing shows the
// difference, at most some tens of times a second, so that fast output is not slowed by it.
#include "arch/console/screen.hpp"

#include "arch/boot/boot_information.hpp"
#include "arch/font.hpp"
#include "arch/log.hpp"
#include "lib/raster.hpp"
#include "lib/terminal.hpp"
#include "proc/port.hpp"
#include "vm/heap.hpp"
#include "vm/space.hpp"

#include <algorithm>
#include <array>
#include <atomic>

namespace arch::screen {
namespace {

using FirmwareFramebuffer = lib::boot_info::Framebuffer;

constexpr std::uint64_t drawing_interval = 20'000'000; // nanoseconds

/// not_yet: text is kept; on: it is drawn; off: there is nothing to draw on.
enum class State : std::uint8_t { not_yet, on, off };
constinit State state = State::not_yet;
constinit bool at_once = false;             // panic: don't put drawing off
constinit std::atomic<bool> pending{false}; // something is written and not drawn
constinit std::uint64_t last_drawing = 0;

constinit lib::PsfFont font;
constinit lib::Raster raster;
constinit lib::Terminal terminal;

/// What was written before there was a screen. When there is more, its beginning counts.
constinit std::array<char, 8192> early_text{};
constinit std::size_t early_size = 0;

void keep(std::string_view text) {
    const std::size_t room = early_text.size() - early_size;
    text = text.substr(0, room);
    std::copy(text.begin(), text.end(), early_text.begin() + early_size);
    early_size += text.size();
}

void draw() {
    pending.store(false, std::memory_order_relaxed);
    last_drawing = proc::port::now();
    terminal.take_damage(
        [](lib::CellPosition position, const lib::Cell& cell) { raster.draw(position, cell); });
}

bool is_due() { return proc::port::now() - last_drawing >= drawing_interval; }

/// The framebuffer's memory, write-combining: without that each pixel is a bus transaction.
Result<std::span<std::byte>> map_memory(const FirmwareFramebuffer& info) {
    const std::uint64_t bytes = std::uint64_t{info.pitch} * info.height;
    const std::uint64_t into_page = info.address.value % page_size;
    const PhysAddr first{info.address.value - into_page};
    if (bytes == 0 || first.value + into_page + bytes < first.value) return Error::bad_format;
    const PageCount pages{align_up(into_page + bytes, page_size) >> page_bits};
    const VirtAddr address =
        TRY(vm::kernel_space().map_window({.frames = first,
                                           .pages = pages,
                                           .access = vm::Access::read_write(),
                                           .type = vm::MemoryType::write_combining}));
    return std::span{reinterpret_cast<std::byte*>(address.value + into_page), bytes};
}

Result<void> attach_raster(const FirmwareFramebuffer& info) {
    if (info.kind != FirmwareFramebuffer::Kind::pixels) return Error::unsupported;
    const auto channel = [](lib::boot_info::ColourField field) {
        return lib::PixelChannel{.position = field.position, .size = field.bits};
    };
    const std::span<std::byte> memory = TRY(map_memory(info));
    return raster.attach({.memory = memory,
                          .pitch = info.pitch,
                          .width = info.width,
                          .height = info.height,
                          .bits_per_pixel = info.bits_per_pixel,
                          .red = channel(info.red),
                          .green = channel(info.green),
                          .blue = channel(info.blue)},
                         font);
}

Result<void> attach_terminal() {
    const std::size_t cells = lib::CellGrid::storage_for(raster.columns(), raster.rows());
    if (cells == 0) return Error::unsupported;
    void* memory = TRY(vm::heap_allocate(cells * sizeof(lib::Cell)));
    terminal.attach({static_cast<lib::Cell*>(memory), cells}, raster.columns(), raster.rows());
    return {};
}

Result<void> attach(const FirmwareFramebuffer& info) {
    TRY(font.load(console_font_file()));
    TRY(attach_raster(info));
    TRY(attach_terminal());
    return {};
}

} // namespace

void initialise() {
    const auto& info = boot_information().framebuffer;
    if (!info) {
        state = State::off;
        log("screen: none");
        return;
    }
    if (const Result<void> attached = attach(*info); !attached) {
        state = State::off;
        log("screen: {}x{}, {} bits per pixel, not used: {}", info->width, info->height,
            info->bits_per_pixel, attached.error());
        return;
    }
    raster.clear(lib::Colour{});
    state = State::on;
    terminal.write({early_text.data(), early_size});
    log("screen: {}x{}, {} bits per pixel, {}x{} characters", info->width, info->height,
        info->bits_per_pixel, terminal.columns(), terminal.rows());
    draw();
}

void write(std::string_view text) {
    if (state == State::off) return;
    if (state == State::not_yet) {
        keep(text);
        return;
    }
    terminal.write(text);
    pending.store(true, std::memory_order_relaxed);
    if (at_once || is_due()) draw();
}

void refresh() {
    if (!pending.load(std::memory_order_relaxed)) return;
    const LogHold hold;
    if (pending && state == State::on) draw();
}

void refresh_if_due() {
    if (!pending.load(std::memory_order_relaxed)) return;
    const LogHold hold;
    if (pending && state == State::on && is_due()) draw();
}

void begin_panic() {
    at_once = true;
    // Reset, and white on red.
    write("\x1b[0;97;41m");
}

void disable() { state = State::off; }

} // namespace arch::screen
