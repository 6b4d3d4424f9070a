//! Minimal Office documents that Office and the usual libraries can open (ECMA-376).

use super::text::xml;
use super::zip::zip_of_size;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "application/vnd.openxmlformats-officedocument";
const SCHEMAS: &str = "http://schemas.openxmlformats.org";

/// Returns a text document with these paragraphs.
pub(super) fn document(lines: &[&str], size: Option<usize>) -> Vec<u8> {
    let paragraphs =
        concat(lines, |line| format!("<w:p><w:r><w:t xml:space=\"preserve\">{}</w:t></w:r></w:p>", xml(line)));
    let body = format!(
        "<w:document xmlns:w=\"{SCHEMAS}/wordprocessingml/2006/main\"><w:body>{paragraphs}<w:sectPr/></w:body>\
         </w:document>"
    );
    package("word/document.xml", &[("word/document.xml", "wordprocessingml.document.main", body)], &[], size)
}

/// Returns a spreadsheet with these cells in its first column.
pub(super) fn spreadsheet(lines: &[&str], size: Option<usize>) -> Vec<u8> {
    let rows = concat((1..).zip(lines), |(number, line): (usize, _)| {
        format!(
            "<row r=\"{number}\"><c r=\"A{number}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{}</t></is></c></row>",
            xml(line)
        )
    });
    let namespace = format!("xmlns=\"{SCHEMAS}/spreadsheetml/2006/main\"");
    let workbook = format!(
        "<workbook {namespace} {}><sheets><sheet name=\"Sheet1\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>",
        relationships_namespace()
    );
    let sheet = format!("<worksheet {namespace}><sheetData>{rows}</sheetData></worksheet>");
    package(
        "xl/workbook.xml",
        &[
            ("xl/workbook.xml", "spreadsheetml.sheet.main", workbook),
            ("xl/worksheets/sheet1.xml", "spreadsheetml.worksheet", sheet),
        ],
        &[("xl/_rels/workbook.xml.rels", &[("worksheet", "worksheets/sheet1.xml")])],
        size,
    )
}

/// Returns a presentation of one slide with these paragraphs. It also has a master, a layout and a theme, because it
/// would not open without them.
pub(super) fn presentation(lines: &[&str], size: Option<usize>) -> Vec<u8> {
    let paragraphs =
        concat(lines, |line| format!("<a:p><a:r><a:rPr lang=\"en-US\"/><a:t>{}</a:t></a:r></a:p>", xml(line)));
    let namespaces = format!(
        "xmlns:a=\"{SCHEMAS}/drawingml/2006/main\" xmlns:p=\"{SCHEMAS}/presentationml/2006/main\" {}",
        relationships_namespace()
    );
    let tree = |shapes: &str| {
        format!(
            "<p:cSld><p:spTree><p:nvGrpSpPr><p:cNvPr id=\"1\" name=\"\"/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr>\
             <p:grpSpPr/>{shapes}</p:spTree></p:cSld>"
        )
    };
    let shape = format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"2\" name=\"Text\"/><p:cNvSpPr txBox=\"1\"/><p:nvPr/></p:nvSpPr>\
         <p:spPr><a:xfrm><a:off x=\"457200\" y=\"457200\"/><a:ext cx=\"8229600\" cy=\"2743200\"/></a:xfrm>\
         <a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom></p:spPr><p:txBody><a:bodyPr/><a:lstStyle/>{paragraphs}\
         </p:txBody></p:sp>"
    );
    let colours = "<p:clrMap bg1=\"lt1\" tx1=\"dk1\" bg2=\"lt2\" tx2=\"dk2\" accent1=\"accent1\" accent2=\"accent2\" \
                   accent3=\"accent3\" accent4=\"accent4\" accent5=\"accent5\" accent6=\"accent6\" hlink=\"hlink\" \
                   folHlink=\"folHlink\"/>";
    let inherit = "<p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr>";
    let presentation = format!(
        "<p:presentation {namespaces}><p:sldMasterIdLst><p:sldMasterId id=\"2147483648\" r:id=\"rId1\"/>\
         </p:sldMasterIdLst><p:sldIdLst><p:sldId id=\"256\" r:id=\"rId2\"/></p:sldIdLst>\
         <p:sldSz cx=\"9144000\" cy=\"6858000\"/><p:notesSz cx=\"6858000\" cy=\"9144000\"/></p:presentation>"
    );
    let master = format!(
        "<p:sldMaster {namespaces}>{}{colours}<p:sldLayoutIdLst><p:sldLayoutId id=\"2147483649\" r:id=\"rId1\"/>\
         </p:sldLayoutIdLst></p:sldMaster>",
        tree("")
    );
    let layout = format!("<p:sldLayout {namespaces} type=\"blank\">{}{inherit}</p:sldLayout>", tree(""));
    let slide = format!("<p:sld {namespaces}>{}{inherit}</p:sld>", tree(&shape));
    package(
        "ppt/presentation.xml",
        &[
            ("ppt/presentation.xml", "presentationml.presentation.main", presentation),
            ("ppt/slideMasters/slideMaster1.xml", "presentationml.slideMaster", master),
            ("ppt/slideLayouts/slideLayout1.xml", "presentationml.slideLayout", layout),
            ("ppt/slides/slide1.xml", "presentationml.slide", slide),
            ("ppt/theme/theme1.xml", "theme", theme()),
        ],
        &[
            (
                "ppt/_rels/presentation.xml.rels",
                &[
                    ("slideMaster", "slideMasters/slideMaster1.xml"),
                    ("slide", "slides/slide1.xml"),
                    ("theme", "theme/theme1.xml"),
                ],
            ),
            (
                "ppt/slideMasters/_rels/slideMaster1.xml.rels",
                &[("slideLayout", "../slideLayouts/slideLayout1.xml"), ("theme", "../theme/theme1.xml")],
            ),
            ("ppt/slideLayouts/_rels/slideLayout1.xml.rels", &[("slideMaster", "../slideMasters/slideMaster1.xml")]),
            ("ppt/slides/_rels/slide1.xml.rels", &[("slideLayout", "../slideLayouts/slideLayout1.xml")]),
        ],
        size,
    )
}

/// Returns the smallest valid theme: twelve colors, two fonts, and three formats of each kind.
fn theme() -> String {
    let colours: String = [
        ("dk1", "000000"),
        ("lt1", "FFFFFF"),
        ("dk2", "1F2937"),
        ("lt2", "F3F4F6"),
        ("accent1", "2563EB"),
        ("accent2", "DC2626"),
        ("accent3", "16A34A"),
        ("accent4", "9333EA"),
        ("accent5", "0891B2"),
        ("accent6", "EA580C"),
        ("hlink", "1D4ED8"),
        ("folHlink", "7E22CE"),
    ]
    .map(|(name, colour)| format!("<a:{name}><a:srgbClr val=\"{colour}\"/></a:{name}>"))
    .concat();
    let font = "<a:latin typeface=\"Arial\"/><a:ea typeface=\"\"/><a:cs typeface=\"\"/>";
    let fill = "<a:solidFill><a:schemeClr val=\"phClr\"/></a:solidFill>".repeat(3);
    let line = "<a:ln w=\"9525\"><a:solidFill><a:schemeClr val=\"phClr\"/></a:solidFill></a:ln>".repeat(3);
    let effect = "<a:effectStyle><a:effectLst/></a:effectStyle>".repeat(3);
    format!(
        "<a:theme xmlns:a=\"{SCHEMAS}/drawingml/2006/main\" name=\"Plain\"><a:themeElements>\
         <a:clrScheme name=\"Plain\">{colours}</a:clrScheme><a:fontScheme name=\"Plain\"><a:majorFont>{font}\
         </a:majorFont><a:minorFont>{font}</a:minorFont></a:fontScheme><a:fmtScheme name=\"Plain\">\
         <a:fillStyleLst>{fill}</a:fillStyleLst><a:lnStyleLst>{line}</a:lnStyleLst>\
         <a:effectStyleLst>{effect}</a:effectStyleLst><a:bgFillStyleLst>{fill}</a:bgFillStyleLst></a:fmtScheme>\
         </a:themeElements></a:theme>"
    )
}

fn concat<T>(items: impl IntoIterator<Item = T>, text: impl Fn(T) -> String) -> String {
    items.into_iter().map(text).collect::<Vec<_>>().concat()
}

fn relationships_namespace() -> String {
    format!("xmlns:r=\"{SCHEMAS}/officeDocument/2006/relationships\"")
}

/// A relationships file: its path, and its targets as pairs of kind and path.
type Relationships<'a> = (&'a str, &'a [(&'a str, &'a str)]);

/// Returns a package of the parts and their relationships. `main` is the path of the main part. Each part is a path, a
/// content type and XML.
fn package(
    main: &str,
    parts: &[(&str, &str, String)],
    relationships: &[Relationships<'_>],
    size: Option<usize>,
) -> Vec<u8> {
    let overrides =
        concat(parts, |(name, kind, _)| format!("<Override PartName=\"/{name}\" ContentType=\"{MAIN}.{kind}+xml\"/>"));
    let types = format!(
        "{HEAD}<Types xmlns=\"{SCHEMAS}/package/2006/content-types\"><Default Extension=\"rels\" \
         ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" \
         ContentType=\"application/xml\"/>{overrides}</Types>"
    );
    let root: &[Relationships<'_>] = &[("_rels/.rels", &[("officeDocument", main)])];
    let mut entries = vec![("[Content_Types].xml", types)];
    for (name, targets) in root.iter().chain(relationships) {
        let targets = concat((1..).zip(*targets), |(number, (kind, target))| {
            let kind = format!("{SCHEMAS}/officeDocument/2006/relationships/{kind}");
            format!("<Relationship Id=\"rId{number}\" Type=\"{kind}\" Target=\"{target}\"/>")
        });
        let list = format!("{SCHEMAS}/package/2006/relationships");
        entries.push((name, format!("{HEAD}<Relationships xmlns=\"{list}\">{targets}</Relationships>")));
    }
    entries.extend(parts.iter().map(|(name, _, xml)| (*name, format!("{HEAD}{xml}"))));
    zip_of_size(entries, main, size)
}
