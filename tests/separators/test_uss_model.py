"""ResUNet30: the description in float64, the parameters, the parts, and what holds for any weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import uss_float64 as plain
from separators.uss.model import ResUNet30
from separators.uss.spectra import Spectra, analyse, mask_of, synthesise

TINY = (2, 3, 4, 5, 6, 7, 8)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tiny(seed: int = 0) -> ResUNet30:
    """A small network whose normalisations and biases are not at rest."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ResUNet30(5, channels=TINY)
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif name.endswith(("bias", "running_mean")):
                value.normal_(0, 0.3)
    return model.eval()


@pytest.fixture(scope="module")
def published() -> ResUNet30:
    return ResUNet30(527)


@pytest.mark.parametrize(("size", "batch", "samples"), [(527, 1, 9_920), (2048, 1, 10_321)])
def test_float32_agrees_with_the_description_in_float64(size: int, batch: int, samples: int) -> None:
    state = plain.fixed_weights(size)
    model = ResUNet30(size).eval()
    model.load_state_dict(state)
    waveform = noise(batch, samples)
    condition = torch.rand(batch, size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        estimate = model(waveform, condition).double()
        mixture = model.analyse(waveform)
        gains = mask_of(model.network(mixture.magnitude, model.film(condition))).abs()
    want = plain.separate(state, waveform, condition)
    error = estimate - want
    assert error.abs().max() < 2e-5
    assert 10 * torch.log10(want.square().sum() / error.square().sum()) > 80
    # Neither the mixture nor silence would pass.
    assert 0.2 < gains.mean() < 0.8
    assert gains.std() > 0.05


# Every thousandth sample from the 600th on, printed by the public implementation (github.com/bytedance/uss, commit
# c19e2c5, torch 2.13.0, CPU) for the same weights, mixture and condition.
PUBLIC = {
    527: [0.304983, 0.362465, 0.147115, 0.440698, -0.004608, 0.108347, -0.534247, -0.480895, -0.427347, 0.402470],
    2048: [0.306821, 0.360686, 0.142058, 0.434742, -0.001569, 0.108672, -0.536450, -0.482362, -0.426409, 0.400299],
}


@pytest.mark.parametrize("size", PUBLIC)
def test_the_public_implementation_puts_out_the_same(size: int) -> None:
    model = ResUNet30(size).eval()
    model.load_state_dict(plain.fixed_weights(size))
    with torch.inference_mode():
        estimate = model(plain.chirp(9_920), plain.comb(size))
    torch.testing.assert_close(estimate[0, 600::1000], torch.tensor(PUBLIC[size]), atol=2e-6, rtol=0)


def test_names_and_shapes_are_those_of_the_published_checkpoints(published: ResUNet30) -> None:
    # 332 entries there, 5 of which are transforms that are computed here.
    for size, model in ((527, published), (2048, ResUNet30(2048))):
        own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
        assert own == plain.shapes(size)
        assert len(own) == 332 - 5


def test_parameter_counts_are_the_published_ones(published: ResUNet30) -> None:
    def count(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters() if p.requires_grad)

    assert count(published.base) == 21_391_813
    assert count(published.film) == 5_203_968
    assert count(published) == 26_595_781
    assert count(ResUNet30(2048)) == 41_586_757


def test_24_tensors_of_848_000_parameters_stay_without_gradient() -> None:
    with torch.device("meta"):
        model = ResUNet30(527)
        maps = model.network(torch.ones(2, 32, 1025), model.film(torch.ones(2, 527)))
    assert maps.shape == (2, 3, 32, 1024)
    maps.sum().backward()
    idle = [p for p in model.parameters() if p.grad is None]
    assert len(idle) == 24
    assert sum(p.numel() for p in idle) == 848_000


def test_weights_start_as_xavier_uniform_and_biases_at_zero(published: ResUNet30) -> None:
    for name, p in published.named_parameters():
        if p.ndim == 1:
            assert torch.equal(p, torch.full_like(p, float("bn" in name and name.endswith("weight"))))
        else:
            field = p[0, 0].numel() if p.ndim == 4 else 1
            bound = (6 / ((p.shape[0] + p.shape[1]) * field)) ** 0.5
            assert p.abs().max() <= bound
            assert p.numel() < 300 or p.abs().max() > 0.95 * bound


def test_the_spectrogram_mirrors_the_ends_and_comes_back_without_its_highest_bin() -> None:
    waveform = noise(2, 16_123)
    found, want = analyse(waveform), plain.stft(waveform)
    assert found.frames == want.shape[1] == 16_123 // 320 + 1
    torch.testing.assert_close(found.complex.to(torch.complex128), want, atol=1e-4, rtol=0)

    through = torch.zeros(2, 3, found.frames, 1024)
    through[:, 0], through[:, 1] = 50, 1
    want[..., -1] = 0
    back = synthesise(found, through, 16_123)
    torch.testing.assert_close(back.double(), plain.istft(want, 16_123), atol=2e-6, rtol=0)
    assert (back - waveform).abs().max() < 0.05  # all but the highest bin of white noise


def test_a_mask_turns_the_phase_and_never_amplifies() -> None:
    maps = 4 * noise(3, 3, 7, 11)
    mask = mask_of(maps).numpy()
    m, r, i = (maps[:, k].double().numpy() for k in range(3))
    np.testing.assert_allclose(np.abs(mask), 1 / (1 + np.exp(-m)), atol=1e-6)
    np.testing.assert_allclose(np.angle(mask), np.arctan2(np.tanh(i), np.tanh(r)), atol=1e-5)
    assert (np.abs(mask_of(torch.full((1, 3, 1, 1), 1e4)).numpy()) <= 1 + 1e-6).all()


def test_maps_at_zero_give_no_output_and_finite_gradients() -> None:
    maps = torch.zeros(1, 3, 32, 1024, requires_grad=True)
    estimate = synthesise(analyse(noise(1, 10_000)), maps, 10_000)
    assert not estimate.any()
    estimate.square().sum().backward()
    assert maps.grad is not None
    assert maps.grad.isfinite().all()


def test_the_highest_bin_never_passes() -> None:
    alternating = torch.tensor([1.0, -1.0]).repeat(6_400)[None]
    mixture = analyse(alternating)
    assert mixture.magnitude[..., -1].min() > 1000
    closed = torch.full((1, 3, mixture.frames, 1024), -50.0)
    assert synthesise(mixture, closed, 12_800).abs().max() < 1e-6


@settings(max_examples=12, deadline=None)
@given(samples=st.one_of(st.sampled_from([1025, 1279, 1280, 9_919, 9_920]), st.integers(1025, 30_000)))
def test_every_length_from_1025_samples_keeps_its_length(samples: int) -> None:
    with torch.inference_mode():
        estimate = tiny()(noise(1, samples), torch.rand(1, 5))
    assert estimate.shape == (1, samples)
    assert estimate.isfinite().all()
    assert estimate.any()


def test_silence_stays_silent() -> None:
    with torch.inference_mode():
        assert not tiny()(torch.zeros(1, 5000), torch.rand(1, 5)).any()


def test_one_mixture_serves_many_conditions_and_one_condition_many_mixtures() -> None:
    model, waveforms, conditions = tiny(), noise(3, 8000), torch.randn(3, 5)
    with torch.inference_mode():
        pairs = torch.stack(
            [torch.cat([model(w[None], c[None]) for c in conditions]) for w in waveforms]
        )  # mixtures, conditions, samples
        torch.testing.assert_close(model(waveforms, conditions), pairs.diagonal().T, atol=1e-6, rtol=0)
        torch.testing.assert_close(model(waveforms[:1], conditions), pairs[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(model(waveforms, conditions[:1]), pairs[:, 0], atol=1e-6, rtol=0)
    assert (pairs[0, 0] - pairs[0, 1]).abs().max() > 1e-4


def test_the_parts_give_what_the_whole_gives_and_maps_may_be_of_half_precision() -> None:
    model, waveform, condition = tiny(), noise(2, 9000), torch.randn(2, 5)
    with torch.inference_mode():
        mixture = model.analyse(waveform)
        biases = model.film(condition)
        maps = model.network(mixture.magnitude, biases)
        assert torch.equal(model.synthesise(mixture, maps, 9000), model(waveform, condition))
        coarse = model.synthesise(mixture, maps.bfloat16(), 9000)
    assert all(bias.shape[0] == 2 for bias in biases.values())
    assert len(biases) == 38 - 6
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse, model(waveform, condition), atol=0.05, rtol=0)


def test_no_frame_hears_of_the_padding_beyond_the_last() -> None:
    """Padding is added after the normalisation: a bias there must not leak into padded frames as sound does."""
    model = tiny()
    condition = torch.rand(1, 5)
    magnitude = noise(1, 33, 1025).abs()
    with torch.inference_mode():
        model.base.bn0.bias.fill_(3.0)
        padded = model.network(magnitude, model.film(condition))
        x = model.base.bn0(magnitude.transpose(1, 2)).transpose(1, 2)
        model.base.bn0 = torch.nn.Identity()  # type: ignore[assignment]
        zeros = torch.cat([x, torch.zeros(1, 31, 1025)], dim=1)
        assert torch.equal(padded, model.network(zeros, model.film(condition))[:, :, :33])


def test_statistics_of_the_input_are_kept_by_frequency_with_momentum_one_hundredth() -> None:
    model = ResUNet30(5, channels=TINY).train()
    magnitude = noise(3, 32, 1025).abs() * torch.linspace(1, 5, 1025)
    model.network(magnitude, model.film(torch.rand(3, 5)))
    mean, var = magnitude.mean((0, 1)), magnitude.var((0, 1))
    torch.testing.assert_close(model.base.bn0.running_mean, 0.01 * mean)
    torch.testing.assert_close(model.base.bn0.running_var, 0.99 + 0.01 * var)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    assert len(norms) == 39
    assert {(m.momentum, m.eps) for m in norms} == {(0.01, 1e-5)}


def test_a_step_down_the_gradient_lowers_the_loss() -> None:
    torch.manual_seed(0)
    model = ResUNet30(5, channels=TINY).train()
    mixture, target, condition = noise(2, 9000), 0.3 * noise(2, 9000), torch.rand(2, 5)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        loss = (model(mixture, condition) - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_another_query_nets_condition_and_audio_of_another_shape_are_refused() -> None:
    model = tiny()
    with pytest.raises(ValueError, match=r"conditions \(conditions, 5\) are wanted, not \(1, 527\)"):
        model(noise(1, 5000), torch.rand(1, 527))
    with pytest.raises(ValueError, match="wanted, not"):
        model(noise(1, 5000), torch.rand(5))
    with pytest.raises(ValueError, match="at least 1025 samples"):
        model(noise(1, 1024), torch.rand(1, 5))
    with pytest.raises(ValueError, match="batch, samples"):
        model(noise(1, 1, 5000), torch.rand(1, 5))


def test_spectra_of_a_batch_are_those_of_its_rows() -> None:
    waveforms = noise(3, 4000)
    together, apart = analyse(waveforms), [analyse(w[None]) for w in waveforms]
    assert isinstance(together, Spectra)
    assert torch.equal(together.complex, torch.cat([one.complex for one in apart]))
    assert together.magnitude.min() >= 1e-5
    assert analyse(torch.zeros(1, 4000)).magnitude.max() == pytest.approx(1e-5)
