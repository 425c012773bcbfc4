"""Class lists as people, spreadsheets, Canvas and Moodle write them."""

import pytest

from resnet_course.classroom.class_list import Student, read_class_list
from resnet_tutorial.errors import InputError

LENA = Student("lena", "Lena", "Brandt", "l@x.example")
FEMI = Student("femi", "Femi", "Oduya", "f@x.example")
OWN = "id,first_name,last_name,email\nlena,Lena,Brandt,l@x.example\nfemi,Femi,Oduya,f@x.example\n"
CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,1_convolution (77),Current Score
    Points Possible,,,,,20,(read only)
"Brandt, Lena",8101,0004711,lena@x.example,V-01,18,90
"O'Shea, Seán Óg",8102,0004712,oshea,V-01,,
Sukarno,8103,0004713,sukarno@x.example,V-01,,
"Student, Test",8199,,0a4d55a8d778e5022fab701977c5d840bbc486d0,V-01,,
"""


def read(folder, text, encoding="utf-8"):
    path = folder / "list.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return read_class_list(path)


@pytest.mark.parametrize(
    "text",
    [
        OWN,
        OWN.replace(",", ";"),
        OWN.replace(",", "\t"),
        OWN.replace("\n", "\r"),
        "sep=;\r\n" + OWN.replace(",", ";"),
        '"sep=,"\n' + OWN,
        "sep=|\n" + OWN.replace(",", "|"),
        OWN.replace("\n", "\n\n") + ",,,\r\n , ,,\n",
        OWN.replace("\n", ",,\r\n") + ",,,,,\r\n",
        "ID,First name,Last name,Email address,Points\nlena,Lena,Brandt,l@x.example,3\nfemi,Femi,Oduya,f@x.example,\n",
        "Vorname;Nachname;Matrikelnummer;E-Mail-Adresse\nLena;Brandt;lena;l@x.example\nFemi;Oduya;femi;f@x.example\n",
        "Prénom,Nom de famille,Numéro d’identification,Adresse de courriel\nLena,Brandt,lena,l@x.example\n"
        "Femi,Oduya,femi,f@x.example\n",
        "Nombre,Apellido(s),Número de ID,Dirección de correo\nLena,Brandt,lena,l@x.example\n"
        "Femi,Oduya,femi,f@x.example\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_one_class_in_many_forms(tmp_path, text, encoding):
    assert read(tmp_path, text, encoding) == [LENA, FEMI]


@pytest.mark.parametrize(
    ("name", "is_read"),
    [
        ('"Lena\nMaria"', "Lena Maria"),
        ('"Lena\r\nMaria"', "Lena Maria"),
        ("Lena\u2028Maria", "Lena Maria"),
        ("Lena\u0085Maria", "Lena Maria"),
        ('" Lena  Maria "', "Lena Maria"),
        ('"Lena ""Leni"" Maria"', 'Lena "Leni" Maria'),
        ('"Brandt, Lena"', "Brandt, Lena"),
        ("Jürgen-李", "Jürgen-李"),
    ],
)
def test_whatever_stands_in_a_name_tears_no_row_apart(tmp_path, name, is_read):
    students = read(tmp_path, OWN.replace("lena,Lena", f"lena,{name}"))
    assert [student.first_name for student in students] == [is_read, "Femi"]


def test_a_gradebook_of_canvas_is_read_as_it_comes(tmp_path):
    assert read(tmp_path, CANVAS, "utf-8-sig") == [
        Student("0004711", "Lena", "Brandt", "lena@x.example", "8101"),
        Student("0004712", "Seán Óg", "O'Shea", "", "8102"),
        Student("0004713", "", "Sukarno", "sukarno@x.example", "8103"),
    ]
    without = CANVAS.replace(",0004711,", ",,").replace(",0004712,", ",,").replace(",0004713,", ",,")
    assert [student.id for student in read(tmp_path, without)] == ["lena@x.example", "oshea", "sukarno@x.example"]


def test_a_name_in_one_column(tmp_path):
    students = read(tmp_path, 'Full Name,SID,Email\n"Brandt, Lena",7,l@x.example\nFemi Oduya,8,\n')
    assert students == [Student("7", "Lena", "Brandt", "l@x.example"), Student("8", "", "Femi Oduya", "")]


def test_the_first_column_of_moodle_that_is_filled_in_holds_the_ids(tmp_path):
    head = "First name,Last name,ID number,Email address,Groups\n"
    assert [one.id for one in read(tmp_path, f"{head}Lena,Brandt,77,l@x.example,\n")] == ["77"]
    assert [one.id for one in read(tmp_path, f"{head}Lena,Brandt,,l+m@x.example,\n")] == ["l+m@x.example"]
    both = f"{head}Lena,Brandt,77,l@x.example,\nFemi,Oduya,,f@x.example,\n"
    assert [one.id for one in read(tmp_path, both)] == ["77", "f@x.example"]
    with pytest.raises(InputError, match="line 2: no ID number: fill it in, or delete that column"):
        read(tmp_path, f"{head}Lena,Brandt,,,\n")


def test_of_canvas_each_student_has_an_id(tmp_path):
    text = CANVAS.replace(",0004711,lena@x.example,", ",,lena@x.example,").replace(",0004712,oshea,", ",,,")
    assert [one.id for one in read(tmp_path, text)] == ["lena@x.example", "8102", "0004713"]


@pytest.mark.parametrize(
    "row",
    [
        ",Average,,,83",
        "Class average,,,,83",
        ",Points possible,Points possible,,100",
        ",,Durchschnitt,,",
        "Total,,,,9",
        ",,,,83",
        ",Promedio general,,,",
    ],
)
def test_a_row_of_sums_is_no_student(tmp_path, row):
    points = "id,first_name,last_name,email,points\nlena,Lena,Brandt,l@x.example,90\nfemi,Femi,Oduya,f@x.example,76\n"
    assert read(tmp_path, f"{points}{row}\n") == [LENA, FEMI]
    named = read(tmp_path, f"{points}4711,Max,,,7\n4712,,Total,,8\n")
    assert [one.id for one in named] == ["lena", "femi", "4711", "4712"]
    if row.startswith(","):
        moodle = points.replace("id,first_name,last_name,email", "ID number,First name,Last name,Email address")
        assert read(tmp_path, f"{moodle}{row}\n") == [LENA, FEMI]


@pytest.mark.parametrize("data", [b"PK\x03\x04\x14\0", b"\xd0\xcf\x11\xe0\xa1", b"<html><table>"])
def test_a_spreadsheets_own_file_is_told(tmp_path, data):
    with pytest.raises(InputError, match=r"list\.csv is .*save it .*as CSV UTF-8"):
        read(tmp_path, data)


@pytest.mark.parametrize("one", ["2.026E+08", "2,026E+08", "2E+08", "1.2e11", "4711.0", "0004711,00"])
def test_an_id_that_a_spreadsheet_made_a_number_is_told(tmp_path, one):
    with pytest.raises(
        InputError, match=r"line 2: a spreadsheet made the number .* of an id: format the column as text"
    ):
        read(tmp_path, f"id;first_name;last_name;email\n{one};Lena;Brandt;l@x.example\n")


@pytest.mark.parametrize("written", ["#0004711", "'0004711", '="0004711"', " 0004711\xa0"])
def test_what_keeps_an_id_a_text_is_no_part_of_it(tmp_path, written):
    head = "OrgDefinedId,Username,Last Name,First Name,Email,End-of-Line Indicator\n"
    assert read(tmp_path, f"{head}{written},#lena,Brandt,Lena,l@x.example,#\n")[0].id == "0004711"


@pytest.mark.parametrize("one", ["lena+vision@school.example", "12e5", "1.5", "s-1_2.b@x"])
def test_ids_that_only_look_odd_are_ids(tmp_path, one):
    assert read(tmp_path, OWN.replace("lena,", f"{one},"))[0].id == one


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "id,who\na,b",
            "has no column first_name, last_name: rename those that hold it; its first line is 'id, who'",
        ),
        ("", "has no column id, first_name"),
        (OWN.partition("\n")[0], "names no student"),
        (OWN + "femi,F,O,", "names femi twice"),
        (OWN + ",F,O,", "line 4: no id: fill it in"),
        (OWN + "a/b,F,O,", "line 4: 'a/b' is no id"),
        (
            OWN + "c,Curie, Marie,d,e",
            "line 4: not as many fields as in the first line; put a text with a comma in quotes",
        ),
        (OWN + 'c,"Marie,Curie,d\n', "line 4: unexpected end of data: look for a quote too many, there or above"),
        (OWN.replace("Lena", "Zoë").encode("cp1252"), "save it from the spreadsheet as CSV UTF-8"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path, text, told):
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    assert told in str(error.value) and "\n" not in str(error.value)
